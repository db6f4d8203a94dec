/** The walk of the example, in pods without a container engine. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { readCompose } from '../../support/compose.ts';
import { ComposePods } from '../../support/compose-pods.ts';
import { repositoryDir } from '../../support/mesh.ts';
import { requirePeers } from '../../support/peers.ts';
import { patience, requirePods } from '../../support/pods.ts';

const url = 'http://reviews:8080/';
const curl = ['curl', '--silent', '--show-error', '--max-time', '10'];

async function call(mesh: ComposePods, calls: number, ...args: string[]): Promise<Record<string, number>> {
  const answers = await mesh.exec('client', [...curl, ...args, ...Array.from({ length: calls }, () => url)]);
  const counts: Record<string, number> = {};
  for (const line of answers.trim().split('\n')) counts[line] = (counts[line] ?? 0) + 1;
  return counts;
}

test('the compose file makes a mesh of programs that know of none', { timeout: 180_000 }, async (context) => {
  requirePods(context);
  requirePeers(context, 'curl', 'python3');
  const mesh = closeAfterTest(new ComposePods(readCompose(join(repositoryDir, 'examples/compose/compose.yaml'))));
  await mesh.up();

  const jason = ['--header', 'end-user: jason'];
  await expect.poll(() => call(mesh, 10, ...jason), patience).toEqual({ 'reviews v2': 10 });
  const { 'reviews v1': v1 = 0, 'reviews v2': v2 = 0 } = await call(mesh, 300);
  expect(v1 + v2).toBe(300);
  // 15 are expected; the standard deviation is 3.8.
  expect(v2).toBeGreaterThan(0);
  expect(v2).toBeLessThan(45);

  expect(await mesh.exec('pilot', ['heddle', 'proxy-status'])).toMatch(/reviews-v1/);
  const explained = ['heddle', 'explain', '--server', 'http://127.0.0.1:15080', '--url', url, '-H', 'end-user: jason'];
  expect(await mesh.exec('pilot', explained)).toMatch(/goes to reviews\.default\.svc\.cluster\.local:8080 subset v2/);
  const metrics = ['curl', '--silent', 'http://127.0.0.1:15014/metrics'];
  await expect.poll(() => mesh.pod('pilot').require(metrics), patience).toContain('istio_requests_total');
  expect(await mesh.run('client-capture', ['capture', '--dry-run'])).toContain('15001');

  // Without its sidecar a version is out of the mesh, and nobody gets past the sidecar to it.
  expect(await mesh.stop('reviews-v1-sidecar')).toMatchObject({ code: 0 });
  const without = (): Promise<string> => mesh.exec('client', [...curl, '--include', url]);
  await expect.poll(without, patience).toMatch(/^HTTP\/1\.1 503 [^]*x-heddle-reason: /);
  expect(await call(mesh, 5, ...jason)).toEqual({ 'reviews v2': 5 });
  const pod = mesh.pod('reviews-v1').address;
  const past = await mesh.pod('pilot').run([...curl, `http://${pod}:8080/`]);
  expect(past).toMatchObject({ stdout: '' });
  expect(past.code).not.toBe(0);
  mesh.start('reviews-v1-sidecar');
  await expect.poll(() => call(mesh, 5), { timeout: 20_000 }).toHaveProperty('reviews v1');

  expect(await mesh.run('rules')).toMatch(/reviews/);
});

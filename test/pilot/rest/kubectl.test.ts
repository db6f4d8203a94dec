/** What people do with kubectl, where it is installed. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from './support.ts';

const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0;

const manifest = (weight: number, port: number): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
  - route: [{ destination: { host: reviews }, weight: ${weight} }]
---
apiVersion: v1
kind: Service
metadata: { name: reviews }
spec: { ports: [{ name: http, port: ${port} }] }
---
apiVersion: networking.heddle.dev/v1alpha1
kind: Canary
metadata: { name: reviews }
spec: { host: reviews, subsets: { primary: v1, canary: v2 } }
`;

describe.skipIf(!hasKubectl)('kubectl', () => {
  let api: TestApi;
  const home = mkdtempSync(join(tmpdir(), 'heddle-kubectl-'));
  const file = join(home, 'mesh.yaml');

  beforeAll(async () => {
    api = await startApi({ version: '1.32.0' });
  });
  afterAll(async () => {
    await api.close();
    rmSync(home, { recursive: true });
  });

  function kubectl(...args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
    const server = `http://127.0.0.1:${api.server.port}`;
    const options = { env: { PATH: process.env['PATH'], HOME: home }, timeout: 20_000 };
    return new Promise((resolve) => {
      execFile('kubectl', ['--server', server, ...args], options, (_error, stdout, stderr) =>
        resolve({ stdout, stderr }),
      );
    });
  }

  it('applies manifests, changes what differs and leaves the rest', async () => {
    writeFileSync(file, manifest(100, 80));
    const created = await kubectl('apply', '-f', file);
    expect(created.stdout.match(/ created$/gm)).toHaveLength(3);
    writeFileSync(file, manifest(50, 81));
    const { stdout, stderr } = await kubectl('apply', '-f', file);
    expect(stderr).not.toContain('error');
    expect(stdout.split('\n').map((line) => line.split(' ').at(-1))).toEqual([
      'configured',
      'configured',
      'unchanged',
      '',
    ]);
    expect(api.store.list('Service')[0]?.spec).toEqual({ ports: [{ name: 'http', port: 81 }] });
    writeFileSync(file, manifest(50, 81).replace('hosts:', 'hots:'));
    expect((await kubectl('apply', '-f', file)).stderr).toContain('unknown field "spec.hots"');
  }, 60_000);

  it('selects by label, patches with operations and watches events', async () => {
    await kubectl('label', 'virtualservice', 'reviews', 'team=a');
    expect((await kubectl('get', 'vs', '-l', 'team in (a, b)', '-o', 'name')).stdout).toContain('/reviews');
    expect((await kubectl('get', 'vs', '-l', 'team!=a', '-o', 'name')).stdout).toBe('');
    const operations = '[{"op":"replace","path":"/spec/http/0/route/0/weight","value":7}]';
    const patched = await kubectl('patch', 'vs', 'reviews', '--type=json', '-p', operations);
    expect(patched.stdout).toContain('patched');
    expect(JSON.stringify(api.store.list('VirtualService')[0]?.spec)).toContain('"weight":7');
    const watching = kubectl('get', 'events', '--watch-only', '-o', 'name', '--request-timeout=4s');
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await api.call('POST', '/api/v1/namespaces/default/events', {
      metadata: { name: 'seen', namespace: 'default' },
      involvedObject: { kind: 'VirtualService', name: 'reviews', namespace: 'default' },
      type: 'Normal',
      reason: 'Seen',
      message: 'by a watcher',
    });
    expect((await watching).stdout).toContain('event/seen');
    expect((await kubectl('delete', 'vs', '-l', 'team=a')).stdout).toContain('deleted');
    expect(api.store.list('VirtualService')).toEqual([]);
  }, 60_000);

  it('shows, waits for, describes and explains a Canary', async () => {
    const status = '{"status":{"phase":"Progressing","canaryWeight":5}}';
    await kubectl('patch', 'canary', 'reviews', '--subresource=status', '--type=merge', '-p', status);
    expect((await kubectl('get', 'canary')).stdout).toMatch(/^NAME +STATUS +WEIGHT +AGE\nreviews +Progressing +5 /);
    expect(
      (await kubectl('wait', '--for=jsonpath={.status.phase}=Progressing', 'canary/reviews', '--timeout=10s')).stdout,
    ).toContain('condition met');
    await api.call('POST', '/api/v1/namespaces/default/events', {
      metadata: { name: 'e1', namespace: 'default' },
      involvedObject: {
        kind: 'Canary',
        name: 'reviews',
        namespace: 'default',
        uid: api.store.list('Canary')[0]?.metadata.uid,
      },
      type: 'Normal',
      reason: 'Advance',
      message: 'to 5 %',
    });
    expect((await kubectl('describe', 'canary', 'reviews')).stdout).toMatch(/Canary Weight: +5[\s\S]*Advance.*to 5 %/);
    expect((await kubectl('explain', 'canary.spec.analysis.alpha')).stdout).toContain('no worse');
  }, 60_000);
});

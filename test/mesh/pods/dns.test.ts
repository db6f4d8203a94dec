/** An unmodified program in a pod asks the resolver of its resolv.conf, and its sidecar answers. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { dnsListener } from '../../support/dns-json.ts';
import { bootstrapText } from '../../support/envoy-json.ts';
import { compiled } from '../../support/mesh.ts';
import { requirePeers } from '../../support/peers.ts';
import { type Pod, PodNetwork, requirePods } from '../../support/pods.ts';
import type { ProgramOptions } from '../../support/pods/pod-process.ts';

const heddle = [process.execPath, compiled('pilot/cli/main.js')];
const application: ProgramOptions = { uid: 1000 };
const proxy: ProgramOptions = { uid: 1337 };

/** Says 198.51.100.9 to whoever asks about example.com, and that no other name exists; writes down what it was asked. */
const outsideResolver = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('0.0.0.0', 53))
print('asked:', flush=True)
while True:
    q, peer = s.recvfrom(4096)
    end = q.index(0, 12) + 5
    name = q[12:end - 5]
    print(name, flush=True)
    known = name == b'\\x07example\\x03com' and q[end - 4:end] == b'\\x00\\x01\\x00\\x01'
    head = q[:2] + (b'\\x81\\x80' if b'example' in name else b'\\x81\\x83') + b'\\x00\\x01' + (b'\\x00\\x01' if known else b'\\x00\\x00') + b'\\x00' * 4
    s.sendto(head + q[12:end] + (b'\\xc0\\x0c\\x00\\x01\\x00\\x01\\x00\\x00\\x00\\x3c\\x00\\x04\\xc6\\x33\\x64\\x09' if known else b''), peer)
`;

function bootstrapFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-dns-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const names = { reviews: ['240.240.0.1'], 'reviews.default.svc.cluster.local': ['240.240.0.1'] };
  const listener = dnsListener({ port: 15_053, names, client: { resolver_timeout: '1s', max_pending_lookups: 9 } });
  const file = join(folder, 'bootstrap.json');
  writeFileSync(file, bootstrapText([listener], []), { mode: 0o644 });
  // The proxy is another user.
  chmodSync(folder, 0o755);
  return file;
}

/** By the C library, as almost every program does; empty when the name does not exist. */
async function lookUp(pod: Pod, name: string, options: ProgramOptions = {}): Promise<string> {
  const { stdout } = await pod.run(['getent', 'ahostsv4', name], { ...application, ...options });
  return stdout.split(/\s/, 1)[0] ?? '';
}

test('queries of an application are answered by its sidecar, over UDP and TCP, and others by the resolver', async (context) => {
  requirePods(context);
  requirePeers(context, 'python3');
  const network = closeAfterTest(new PodNetwork());
  const outside = network.addPod('outside');
  const search = 'search default.svc.cluster.local svc.cluster.local\noptions ndots:5';
  const pod = network.addPod('pod', { 'resolv.conf': `nameserver ${outside.address}\n${search}\n` });
  outside.start(['python3', '-c', outsideResolver]);
  pod.start([...heddle, 'proxy', '-c', bootstrapFile()], proxy);
  await pod.listens(15_053);
  await expect.poll(() => outside.output).toContain('asked:');
  expect(await lookUp(pod, 'reviews')).toBe('');
  expect(await pod.run([...heddle, 'capture', '--redirect-dns'])).toMatchObject({ code: 0 });
  const before = outside.output.length;
  expect(await lookUp(pod, 'reviews')).toBe('240.240.0.1');
  expect(await lookUp(pod, 'reviews.default.svc.cluster.local')).toBe('240.240.0.1');
  expect(await lookUp(pod, 'reviews', { env: { RES_OPTIONS: 'use-vc' } })).toBe('240.240.0.1');
  // What is left of a connection that the C library has closed.
  expect(await pod.require(['ss', '-Htan', 'state', 'time-wait'])).toContain(`${outside.address}:53`);
  // With ndots:5 the name was asked for with the search domains first.
  expect(outside.output.slice(before)).not.toContain('reviews');
  expect(await lookUp(pod, 'example.com.')).toBe('198.51.100.9');
  expect(outside.output.slice(before)).toContain('example');
});

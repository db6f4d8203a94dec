/** A gateway on another machine than pilot: the keys of its certificates are for who has shown pilot a certificate. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { compiled } from '../../support/mesh.ts';
import { requirePeers } from '../../support/peers.ts';
import { PodMesh } from '../../support/pod-mesh.ts';
import { patience, requirePods } from '../../support/pods.ts';
import { Authority } from '../../support/pki.ts';

vi.setConfig({ testTimeout: 120_000 });

const heddle = [process.execPath, compiled('pilot/cli/main.js')];

const rules = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: front }
spec:
  selector: { gateway: edge }
  servers:
  - { port: { number: 443, name: https, protocol: HTTPS }, hosts: [shop.example.com], tls: { mode: SIMPLE, credentialName: shop } }
  - { port: { number: 80, name: http, protocol: HTTP }, hosts: [shop.example.com] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop }
spec: { hosts: [shop.example.com], gateways: [front], http: [{ directResponse: { status: 204 } }] }
`;

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Folders with certificates that one authority has signed. */
function certificateFolders(authority: Authority) {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-tls-'));
  folders.push(folder);
  return (name: string, names: readonly string[]): string => {
    const { cert, key } = authority.issue({ names });
    mkdirSync(join(folder, name), { recursive: true });
    const files = { 'tls.crt': cert, 'tls.key': key, 'ca.crt': authority.cert };
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, name, file), text);
    return join(folder, name);
  };
}

test('it gets them over TLS with its certificate, and without one it serves what needs none', async (context) => {
  requirePods(context);
  requirePeers(context, 'curl');
  const authority = closeAfterTest(new Authority());
  const write = certificateFolders(authority);
  const secrets = join(write('secrets/default/shop', ['DNS:shop.example.com']), '../..');
  const own = write('gateway', ['DNS:edge']);
  const mesh = closeAfterTest(
    await PodMesh.start((pilot) => [
      '--secrets-dir',
      secrets,
      '--xds-tls-dir',
      write('pilot', [`IP:${pilot.address}`]),
    ]),
  );
  await mesh.apply(rules);
  const caller = mesh.network.addPod('caller');
  const start = async (name: string, port: number, ...options: string[]) => {
    const pod = mesh.network.addPod(name);
    const pilot = `${mesh.pilot.address}:${port}`;
    const identity = ['--name', 'edge', '--label', 'gateway=edge', '--address', pod.address];
    pod.start([...heddle, 'gateway', ...identity, '--pilot', pilot, ...options]);
    await pod.listens(80);
    return async (scheme: 'http' | 'https'): Promise<string> => {
      const to = [
        '--resolve',
        `shop.example.com:80:${pod.address}`,
        '--resolve',
        `shop.example.com:443:${pod.address}`,
      ];
      const trusting = ['--cacert', join(own, 'ca.crt'), '--max-time', '5'];
      const show = ['--silent', '--output', '/dev/null', '--write-out', '%{http_code}'];
      return (await caller.run(['curl', ...show, ...to, ...trusting, `${scheme}://shop.example.com/`])).stdout;
    };
  };
  const stranger = await start('stranger', 15_010);
  const trusted = await start('trusted', 15_012, '--pilot-tls-dir', own);
  await expect.poll(() => trusted('https'), patience).toBe('204');
  await expect.poll(() => stranger('http'), patience).toBe('204');
  expect(await stranger('https')).toBe('000');
  expect(mesh.pilot.output).toMatch(/a gateway is told no secrets .*shown no certificate/);
});

test('where plain text is for pilot’s own machine, nobody is told anything without a certificate', async (context) => {
  requirePods(context);
  const write = certificateFolders(closeAfterTest(new Authority()));
  const mesh = closeAfterTest(
    await PodMesh.start((pilot) => [
      '--xds-host',
      '127.0.0.1',
      '--xds-tls-dir',
      write('pilot', [`IP:${pilot.address}`]),
    ]),
  );
  const pod = mesh.network.addPod('other');
  const run = [...heddle, 'run', '--service', 'shell', '--pilot'];
  const plain = await pod.run(['bash', '-c', `: </dev/tcp/${mesh.pilot.address}/15010`]);
  expect(plain.code).not.toBe(0);
  const sidecar = pod.start([...run, `${mesh.pilot.address}:15012`, '--pilot-tls-dir', write('shell', ['DNS:shell'])]);
  await expect.poll(() => sidecar.output, patience).toContain('sidecar of shell is ready');
});

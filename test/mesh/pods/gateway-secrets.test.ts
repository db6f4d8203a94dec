/** A gateway on another machine than pilot: the keys of its certificates are for who has shown pilot a certificate. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { compiled } from '../../support/mesh.ts';
import { requirePeers } from '../../support/peers.ts';
import { PodMesh } from '../../support/pod-mesh.ts';
import { patience, requirePods } from '../../support/pods.ts';
import { Authority, type Certificate } from '../../support/pki.ts';

vi.setConfig({ testTimeout: 60_000 });

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

test('it gets them over TLS with its certificate, and without one it serves what needs none', async (context) => {
  requirePods(context);
  requirePeers(context, 'curl');
  const folder = mkdtempSync(join(tmpdir(), 'heddle-tls-'));
  closeAfterTest({ close: () => rmSync(folder, { recursive: true, force: true }) });
  const authority = closeAfterTest(new Authority());
  const write = (name: string, { cert, key }: Certificate): string => {
    mkdirSync(join(folder, name), { recursive: true });
    const files = { 'tls.crt': cert, 'tls.key': key, 'ca.crt': authority.cert };
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, name, file), text);
    return join(folder, name);
  };
  write('secrets/default/shop', authority.issue({ names: ['DNS:shop.example.com'] }));
  const own = write('gateway', authority.issue({ names: ['DNS:edge'] }));
  const mesh = closeAfterTest(
    await PodMesh.start((pilot) => {
      const dir = write('pilot', authority.issue({ names: [`IP:${pilot.address}`] }));
      return ['--secrets-dir', join(folder, 'secrets'), '--xds-tls-dir', dir];
    }),
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

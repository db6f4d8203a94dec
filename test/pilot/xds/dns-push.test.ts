/** What pilot knows of services is what programs next to a sidecar are told, through real sockets all the way. */
import { Resolver } from 'node:dns/promises';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { encodeNode, nodeIdOf } from '../../../proxy/api/node.ts';
import type { ProxyServer } from '../../../proxy/server.ts';
import { adsBootstrapText } from '../../support/ads-bootstrap.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { askUdp, dnsQuery, readHeader } from '../../support/dns-message.ts';
import { createProxy } from '../../support/in-process-proxy.ts';
import { unusedPort } from '../../support/unused-port.ts';
import { metadataOf } from '../networking/scenario.ts';
import { ControlPlane } from './control-plane.ts';

const service = (name: string, address: string): string => `
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { clusterIP: ${address}, clusterIPs: [${address}], ports: [{ name: http, port: 80 }] }
`;

/** Of a pure client, whose host appends its search domains to names. */
async function startSidecar(controlPlane: ControlPlane, dnsPort: number): Promise<ProxyServer> {
  const [outboundPort, adsPort] = [await unusedPort(), controlPlane.server.port];
  const metadata = metadataOf({ service: '', appPort: 0, inboundPort: 0, outboundPort, dnsPort });
  const node = encodeNode({ id: nodeIdOf(metadata), cluster: 'client.default', metadata });
  const folder = mkdtempSync(join(tmpdir(), 'heddle-dns-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const resolvConfPath = join(folder, 'resolv.conf');
  writeFileSync(resolvConfPath, 'search default.svc.cluster.local svc.cluster.local cluster.local\n');
  const bootstrap = { ...(JSON.parse(adsBootstrapText(adsPort)) as object), node };
  const proxy = createProxy(JSON.stringify(bootstrap), { resolvConfPath });
  await proxy.start();
  return proxy;
}

async function start(yaml: string): Promise<{ controlPlane: ControlPlane; resolver: Resolver; port: number }> {
  const controlPlane = closeAfterTest(await ControlPlane.start(yaml));
  const port = await unusedPort();
  await startSidecar(controlPlane, port);
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  resolver.setServers([`127.0.0.1:${port}`]);
  return { controlPlane, resolver, port };
}

/** The address that the name has in the end. */
async function answerBecomes(resolver: Resolver, name: string, address: string): Promise<void> {
  await expect.poll(() => resolver.resolve4(name).catch((error: Error) => error.message)).toEqual([address]);
}

test('a service is answered under all its names, and its search expansions are not', async () => {
  const { resolver } = await start(service('reviews', '10.96.0.7'));
  const full = 'reviews.default.svc.cluster.local';
  for (const name of ['reviews', 'reviews.default', 'reviews.default.svc', full, full.toUpperCase()]) {
    expect(await resolver.resolve4(name), name).toEqual(['10.96.0.7']);
  }
  await expect(resolver.resolve6(full)).rejects.toMatchObject({ code: 'ENODATA' });
  await expect(resolver.resolve4(`${full}.default.svc.cluster.local`)).rejects.toMatchObject({ code: 'ENOTFOUND' });
});

test('services come, move and go while programs ask, and no question is lost', async () => {
  const { controlPlane, resolver, port } = await start(service('reviews', '10.96.0.7'));
  const asking = new AbortController();
  let answered = 0;
  const asked = (async (): Promise<void> => {
    while (!asking.signal.aborted) {
      const answer = await askUdp(port, dnsQuery('reviews'), 2_000);
      expect(answer && readHeader(answer)).toMatchObject({ code: 0, answers: 1 });
      answered += 1;
    }
  })();
  await controlPlane.apply(service('ratings', '10.96.0.8'));
  await answerBecomes(resolver, 'ratings', '10.96.0.8');
  for (let host = 10; host < 20; host += 1) await controlPlane.apply(service('reviews', `10.96.0.${host}`));
  await answerBecomes(resolver, 'reviews', '10.96.0.19');
  await controlPlane.delete('Service', 'ratings');
  await expect
    .poll(() => resolver.resolve4('ratings').catch((error: { code: string }) => error.code))
    .toMatch(/ESERVFAIL|ENOTFOUND/);
  asking.abort();
  await asked;
  expect(answered).toBeGreaterThan(10);
});

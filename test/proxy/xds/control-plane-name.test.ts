import { expect, test } from 'vitest';
import type { Cluster } from '../../../proxy/api/envoy.gen.ts';
import { adsBootstrapText } from '../../support/ads-bootstrap.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { askServer } from '../../support/dns-json.ts';
import { DnsServer } from '../../support/dns-server.ts';
import { createProxy } from '../../support/in-process-proxy.ts';
import { FakeAdsServer } from './fake-ads-server.ts';

interface BootstrapJson {
  readonly static_resources: { readonly clusters: Cluster[] };
}

/** The control plane is `pilot.test`, which `dns` knows. */
function namedBootstrap(port: number, dns: DnsServer): string {
  const bootstrap = JSON.parse(adsBootstrapText(port)) as BootstrapJson;
  const address = { socket_address: { address: 'pilot.test', port_value: port } };
  const [pilot] = bootstrap.static_resources.clusters;
  bootstrap.static_resources.clusters[0] = {
    ...pilot,
    type: 'STRICT_DNS',
    dns_lookup_family: 'V4_ONLY',
    dns_refresh_rate: '0.05s',
    typed_dns_resolver_config: askServer(dns.port),
    load_assignment: { cluster_name: 'pilot', endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  };
  return JSON.stringify(bootstrap);
}

async function startAds(address: string, port = 0): Promise<FakeAdsServer> {
  const ads = new FakeAdsServer(address, port);
  await ads.start();
  closeAfterTest({ close: () => ads.stop() });
  return ads;
}

test('a control plane that moves to another address is found there by its name', async () => {
  const dns = closeAfterTest(await DnsServer.start({ 'pilot.test': ['127.0.0.1'] }));
  const before = await startAds('127.0.0.1');
  const after = await startAds('127.0.0.2', before.port);
  const proxy = createProxy(namedBootstrap(before.port, dns));
  const started = proxy.start();
  const stream = await before.nextStream();
  stream.send('CDS', '1');
  stream.send('LDS', '1');
  await started;

  dns.records.set('pilot.test', { addresses: ['127.0.0.2'] });
  before.stop();
  const next = await after.nextStream();
  expect((await next.next()).versionInfo).toBe('1');
});

test('a control plane whose name is not known yet is found when it is', async () => {
  const dns = closeAfterTest(await DnsServer.start());
  const ads = await startAds('127.0.0.1');
  const proxy = createProxy(namedBootstrap(ads.port, dns));
  const started = proxy.start();
  await expect.poll(() => dns.questions.length).toBeGreaterThan(1);
  dns.records.set('pilot.test', { addresses: ['127.0.0.1'] });
  const stream = await ads.nextStream();
  stream.send('CDS', '1');
  stream.send('LDS', '1');
  await started;
});

import { describe, expect, test } from 'vitest';
import type { Cluster } from '../../../../proxy/api/envoy.gen.ts';
import { Backend, echoOf } from '../../../support/backend.ts';
import { closeAfterTest } from '../../../support/closing.ts';
import { dnsCluster } from '../../../support/dns-json.ts';
import { DnsServer } from '../../../support/dns-server.ts';
import { bootstrapText, httpListener, routeConfiguration, routeTo } from '../../../support/envoy-json.ts';
import { call } from '../../../support/http-call.ts';
import { startProxy } from '../../../support/in-process-proxy.ts';
import { until } from '../../../support/turns.ts';

async function start(type: 'STRICT_DNS' | 'LOGICAL_DNS', addresses: readonly string[], rest: Cluster = {}) {
  const dns = closeAfterTest(await DnsServer.start({ 'api.test': addresses }));
  const backend = closeAfterTest(await Backend.start());
  const cluster = dnsCluster('api', type, { host: 'api.test', port: backend.port, dnsPort: dns.port, ...rest });
  const listener = httpListener({ routes: routeConfiguration([routeTo('api')]) });
  const { server, port } = await startProxy(bootstrapText([listener], [cluster]));
  const hosts = () => server.clusters.get('api')?.hosts.map(({ endpoint }) => endpoint.address) ?? [];
  return { dns, server, port, hosts, backend };
}

describe('STRICT_DNS', () => {
  test('takes every address of a name, from before the first request on', async () => {
    const { hosts } = await start('STRICT_DNS', ['127.0.0.1', '127.0.0.2']);
    expect(hosts().sort()).toEqual(['127.0.0.1', '127.0.0.2']);
  });

  test('requests reach them under their own Host', async () => {
    const { port } = await start('STRICT_DNS', ['127.0.0.1']);
    expect(echoOf(await call(port, { host: 'front' })).headers.host).toBe('front');
  });

  test('looks again when the refresh rate says so; a failure changes nothing', async () => {
    const { dns, hosts, server } = await start('STRICT_DNS', ['127.0.0.1'], { dns_refresh_rate: '0.02s' });
    dns.records.set('api.test', { addresses: ['127.0.0.7'] });
    await until(() => hosts()[0] === '127.0.0.7');
    dns.records.clear();
    const failures = () => server.stats.entries().find(({ name }) => name === 'cluster.api.update_failure')?.value;
    await until(() => (failures() ?? 0) > 1);
    expect(hosts()).toEqual(['127.0.0.7']);
  });

  test('counts what it asked, what it was told, and what of that was nothing new', async () => {
    const { dns, hosts, server } = await start('STRICT_DNS', ['127.0.0.1'], { dns_refresh_rate: '0.02s' });
    const stat = (name: string) =>
      server.stats.entries().find((each) => each.name === `cluster.api.${name}`)?.value ?? 0;
    await until(() => stat('update_no_rebuild') > 2);
    expect(stat('membership_change')).toBe(1);
    dns.records.set('api.test', { addresses: ['127.0.0.7'] });
    await until(() => hosts()[0] === '127.0.0.7');
    expect(stat('membership_change')).toBe(2);
    expect(stat('update_success') - stat('update_no_rebuild')).toBe(2);
    expect(stat('update_failure')).toBe(0);
    // The next one may be under way.
    expect(stat('update_attempt') - stat('update_success')).toBeOneOf([0, 1]);
  });

  test('the time to live counts instead where it is respected', async () => {
    const { dns, server } = await start('STRICT_DNS', ['127.0.0.1'], {
      dns_refresh_rate: '0.02s',
      respect_dns_ttl: true,
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(dns.questions).toHaveLength(1);
    expect(server.clusters.get('api')?.hosts).toHaveLength(1);
  });

  test('a name that does not exist leaves the cluster empty: 503 UH', async () => {
    const { port } = await start('STRICT_DNS', []);
    const { status, headers } = await call(port);
    expect(status).toBe(503);
    expect(headers['x-heddle-reason']).toMatch(/^UH /);
  });
});

describe('LOGICAL_DNS', () => {
  test('uses one address and stays with it while the answer still has it', async () => {
    const { dns, hosts } = await start('LOGICAL_DNS', ['127.0.0.1', '127.0.0.2'], { dns_refresh_rate: '0.02s' });
    const [first] = hosts();
    expect(hosts()).toHaveLength(1);
    dns.records.set('api.test', { addresses: ['127.0.0.9', first ?? ''] });
    const asked = dns.questions.length;
    await until(() => dns.questions.length > asked + 2);
    expect(hosts()).toEqual([first]);
    dns.records.set('api.test', { addresses: ['127.0.0.9'] });
    await until(() => hosts()[0] === '127.0.0.9');
  });
});

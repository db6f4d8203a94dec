import { describe, expect, test } from 'vitest';
import type { Cluster, DnsCacheConfig, RouteAction } from '../../../proxy/api/envoy.gen.ts';
import { Backend, echoOf } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { dnsCache, forwardProxyCluster, forwardProxyFilters } from '../../support/dns-json.ts';
import { DnsServer } from '../../support/dns-server.ts';
import { bootstrapText, httpListener, routeConfiguration, routeTo } from '../../support/envoy-json.ts';
import { type Answer, call } from '../../support/http-call.ts';
import { type InProcessProxy, startProxy } from '../../support/in-process-proxy.ts';
import { until } from '../../support/turns.ts';

interface Options {
  readonly records?: Readonly<Record<string, readonly string[]>>;
  readonly cache?: DnsCacheConfig;
  readonly cluster?: Cluster;
  readonly action?: RouteAction;
}

interface Setting {
  readonly proxy: InProcessProxy;
  readonly dns: DnsServer;
  readonly backend: Backend;
  readonly ask: (host: string) => Promise<Answer>;
  readonly stat: (name: string) => number | undefined;
}

async function start({ records = {}, cache = {}, cluster, action }: Options = {}): Promise<Setting> {
  const dns = closeAfterTest(await DnsServer.start(records));
  const backend = closeAfterTest(await Backend.start());
  const config = dnsCache(dns.port, cache);
  const manager = forwardProxyFilters(config);
  const routes = routeConfiguration([routeTo('anywhere', action)]);
  const listener = httpListener({ routes, manager, direction: 'OUTBOUND' });
  const proxy = await startProxy(bootstrapText([listener], [forwardProxyCluster('anywhere', config, cluster)]));
  const stat = (name: string) => proxy.server.stats.entries().find((each) => each.name === name)?.value;
  return { proxy, dns, backend, stat, ask: (host) => call(proxy.port, { host }) };
}

describe('a request goes to the host that its authority names', () => {
  test('after a lookup, and the next one without another', async () => {
    const { dns, backend, ask } = await start({ records: { 'shop.example.com': ['127.0.0.1'] } });
    const host = `shop.example.com:${backend.port}`;
    expect(echoOf(await ask(host)).headers.host).toBe(host);
    expect((await ask(`SHOP.example.com:${backend.port}`)).status).toBe(200);
    expect(dns.questions).toEqual(['shop.example.com']);
  });

  test('a literal address needs no lookup', async () => {
    const { dns, backend, ask } = await start();
    expect((await ask(`127.0.0.1:${backend.port}`)).status).toBe(200);
    expect(dns.questions).toEqual([]);
  });

  test('requests that come while a name is looked up wait together, with their bodies', async () => {
    const { proxy, dns, backend } = await start({ records: { 'a.test': ['127.0.0.1'] } });
    const body = 'x'.repeat(200_000);
    const host = `a.test:${backend.port}`;
    const answers = await Promise.all([1, 2, 3].map(() => call(proxy.port, { method: 'POST', host, body })));
    expect(answers.map((answer) => echoOf(answer).body)).toEqual([body, body, body]);
    expect(dns.questions).toEqual(['a.test']);
  });

  test('two names of one server are two requests to it', async () => {
    const { backend, ask } = await start({ records: { 'a.test': ['127.0.0.1'], 'b.test': ['127.0.0.1'] } });
    expect(echoOf(await ask(`a.test:${backend.port}`)).headers.host).toBe(`a.test:${backend.port}`);
    expect(echoOf(await ask(`b.test:${backend.port}`)).headers.host).toBe(`b.test:${backend.port}`);
  });

  test('where the first address refuses, a retry takes the next one', async () => {
    const { backend, ask } = await start({
      records: { 'two.test': ['127.0.0.99', '127.0.0.1'] },
      action: {
        retry_policy: {
          retry_on: 'connect-failure',
          num_retries: 3,
          host_selection_retry_max_attempts: 5,
          retry_host_predicate: [
            {
              name: 'envoy.retry_host_predicates.previous_hosts',
              typed_config: {
                '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
              },
            },
          ],
        },
      },
    });
    expect((await ask(`two.test:${backend.port}`)).status).toBe(200);
  });
});

describe('a request whose host cannot be found', () => {
  test('is answered with 503, flag DF, and the name and the fault of the lookup', async () => {
    const { ask, stat } = await start();
    const { status, headers } = await ask('nobody.example.com');
    expect(status).toBe(503);
    expect(headers['x-heddle-reason']).toBe(
      'DF no service, and no host in DNS, has the name nobody.example.com (ENOTFOUND)',
    );
    expect(stat('dns_cache.cache.dns_query_failure')).toBe(1);
  });

  test.each(['a..b.test', 'a b.test', '', 'a.test:0', 'a.test:70000', '[1.2.3.4]', `${'a'.repeat(64)}.test`])(
    'is never looked up as %j',
    async (host) => {
      const { dns, ask } = await start();
      expect((await ask(host)).status).toBeGreaterThanOrEqual(400);
      expect(dns.questions).toEqual([]);
    },
  );

  test('waits no longer than a lookup may take', async () => {
    const { dns, ask, stat } = await start({ cache: { dns_query_timeout: '0.05s' } });
    dns.isSilent = true;
    expect((await ask('slow.test')).headers['x-heddle-reason']).toMatch(/^DF .*ETIMEOUT/);
    expect(stat('dns_cache.cache.dns_query_timeout')).toBe(1);
  });

  test('waits no longer than its own timeout', async () => {
    const { dns, ask } = await start({ action: { timeout: '0.05s' } });
    dns.isSilent = true;
    const { status, headers } = await ask('slow.test');
    expect(status).toBe(504);
    expect(headers['x-heddle-reason']).toMatch(/^UT .*slow\.test is still being looked up/);
  });

  test('is found as soon as the name exists', async () => {
    const failure = { dns_failure_refresh_rate: { base_interval: '0.01s', max_interval: '0.02s' } };
    const { dns, backend, ask, stat } = await start({ cache: failure });
    expect((await ask(`late.test:${backend.port}`)).status).toBe(503);
    dns.records.set('late.test', { addresses: ['127.0.0.1'] });
    await until(() => stat('dns_cache.cache.dns_query_success') === 1);
    expect((await ask(`late.test:${backend.port}`)).status).toBe(200);
  });
});

describe('a cache that anybody can fill is bounded', () => {
  test('a host beyond max_hosts is refused with 503, flag UO, and those inside are served', async () => {
    const { backend, ask, stat } = await start({ records: { 'a.test': ['127.0.0.1'] }, cache: { max_hosts: 1 } });
    expect((await ask(`a.test:${backend.port}`)).status).toBe(200);
    const { status, headers } = await ask(`127.0.0.1:${backend.port}`);
    expect(status).toBe(503);
    expect(headers['x-heddle-reason']).toMatch(/^UO the DNS cache is full/);
    expect((await ask(`a.test:${backend.port}`)).status).toBe(200);
    expect(stat('dns_cache.cache.host_overflow')).toBe(1);
    expect(stat('dns_cache.cache.num_hosts')).toBe(1);
  });

  test('requests beyond max_pending_requests do not wait', async () => {
    const { dns, ask, stat } = await start({
      cache: { dns_cache_circuit_breaker: { max_pending_requests: 1 }, dns_query_timeout: '1s' },
    });
    dns.isSilent = true;
    const first = ask('slow.test');
    await until(() => dns.questions.length === 1);
    expect((await ask('slow.test')).headers['x-heddle-reason']).toMatch(/^UO 1 requests wait for DNS/);
    expect(stat('dns_cache.cache.dns_rq_pending_overflow')).toBe(1);
    expect((await first).status).toBe(503);
  });

  test('a host that nobody asks for any more is forgotten with its connections', async () => {
    const { backend, ask, stat } = await start({ cache: { host_ttl: '0.05s' } });
    await ask(`127.0.0.1:${backend.port}`);
    await until(() => stat('dns_cache.cache.num_hosts') === 0);
    expect(stat('cluster.anywhere.membership_total')).toBe(0);
    expect((await ask(`127.0.0.1:${backend.port}`)).status).toBe(200);
  });
});

describe('RFC 9110 §7.6: the proxy is no destination of its own', () => {
  test.each(['127.0.0.1', 'me.test', '127.1.2.3', '[::1]', '0.0.0.0', '[::ffff:127.0.0.1]'])(
    'neither its listener nor its admin endpoint is reached as %s',
    async (name) => {
      const { proxy, ask } = await start({ records: { 'me.test': ['127.0.0.1'] } });
      for (const port of [proxy.port, proxy.adminPort]) {
        const { status, headers } = await ask(`${name}:${port}`);
        expect(status).toBe(404);
        expect(headers['x-heddle-reason']).toMatch(/^NR .* is the proxy itself/);
      }
    },
  );
});

test('a filter with another cache leaves the request to others, as in Envoy', async () => {
  const dns = closeAfterTest(await DnsServer.start());
  const manager = forwardProxyFilters(dnsCache(dns.port, { name: 'other' }));
  const listener = httpListener({ routes: routeConfiguration([routeTo('anywhere')]), manager });
  const cluster = forwardProxyCluster('anywhere', dnsCache(dns.port));
  const { port } = await startProxy(bootstrapText([listener], [cluster]));
  const { headers } = await call(port, { host: '127.0.0.1:9' });
  expect(headers['x-heddle-reason']).toMatch(/^UH /);
});

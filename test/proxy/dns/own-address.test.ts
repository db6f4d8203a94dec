import { expect, test } from 'vitest';
import { dnsListener, forwardTo } from '../../support/dns-json.ts';
import { askUdp, dnsQuery, readHeader } from '../../support/dns-message.ts';
import { bootstrapText } from '../../support/envoy-json.ts';
import { startProxy } from '../../support/in-process-proxy.ts';
import { unusedPort } from '../../support/unused-port.ts';

test('a resolver that is the proxy itself is not asked: the question would go round and round', async () => {
  const port = await unusedPort();
  const listener = dnsListener({ port, names: { reviews: ['192.0.2.1'] }, client: forwardTo(port) });
  const { server } = await startProxy(bootstrapText([listener], []));
  const answer = await askUdp(port, dnsQuery('example.com'));
  expect(answer && readHeader(answer).code).toBe(2);
  expect(server.stats.counter('dns_filter.dns.a_record_queries').value).toBe(1);
  const known = await askUdp(port, dnsQuery('reviews'));
  expect(known && readHeader(known).answers).toBe(1);
});

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { turns } from '../../support/turns.ts';
import { head } from '../http1/request-case.ts';

/** Linux tells the timer of each socket: 02 is keep-alive (kernel documentation, `proc_net_tcp`). */
function timerOfConnectionTo(port: number): string | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .find((text) => text.includes(` 0100007F:${hex} 01 `));
  return line?.trim().split(/\s+/)[5]?.slice(0, 2);
}

test.runIf(process.platform === 'linux').each([
  [{ upstream_connection_options: { tcp_keepalive: { keepalive_time: 30 } } }, '02'],
  [{ upstream_connection_options: { tcp_keepalive: {} } }, '02'],
  [{}, '00'],
])('tcpKeepalive has the kernel send probes on upstream connections: %j', async (cluster, timer) => {
  const backend = closeAfterTest(new RawBackend());
  await backend.start();
  const proxy = closeAfterTest(await CodecProxy.start({ upstreamPorts: [backend.port], cluster }));
  const client = await RawClient.connect(proxy.port);
  client.send(head('GET / HTTP/1.1', 'Host: a'));
  await client.untilResponses(1);
  // Until the kernel has nothing of this exchange to repeat.
  for (let i = 0; i < 200 && timerOfConnectionTo(backend.port) === '01'; i++) await turns(20);
  expect(timerOfConnectionTo(backend.port)).toBe(timer);
  client.destroy();
});

import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Http2Load, parseHttp2Result } from '../../../bench/http2/load.ts';
import { http2Peers } from '../../../bench/http2/peers.ts';
import type { LoadPlan } from '../../../bench/load.ts';
import { requirePeers } from '../../support/peers.ts';
import { temporaryFolder } from '../../support/pki.ts';

const printed = `finished in 4.00s, 250.00 req/s, 30.0KB/s
requests: 1000 total, 1004 started, 1000 done, 998 succeeded, 2 failed, 2 errored, 0 timeout
status codes: 997 2xx, 0 3xx, 1 4xx, 0 5xx
traffic: 120.0KB (122880) total, 10.0KB (10240) headers (space savings 80.00%), 97.7KB (100000) data
`;

describe('what h2load says', () => {
  it('is read from its text, and latencies from its log', () => {
    const log = [300, 100, 200, 400].map((us, i) => `${1_000 * i}\t200\t${us}\n`).join('');
    expect(parseHttp2Result(printed, log, 4)).toEqual({
      requests: 998,
      durationUs: 4e6,
      bytes: 122_880,
      p50Us: 300,
      p99Us: 400,
      // Two that failed, and one that was answered with an error.
      errors: 3,
    });
  });

  it('instead of a result is shown', () => {
    expect(() => parseHttp2Result('could not connect', '', 1)).toThrow('h2load printed no result: "could not connect"');
  });
});

describe('the load generator of HTTP/2', () => {
  let server: http2.Http2Server | undefined;
  const sessions = new Set<http2.ServerHttp2Session>();

  afterEach(() => {
    for (const session of sessions) session.destroy();
    server?.close();
  });

  async function loadOn(body: string, status = 200): Promise<{ load: Http2Load; plan: LoadPlan; seen: string[] }> {
    const seen: string[] = [];
    server = http2.createServer();
    server.on('session', (session) => sessions.add(session));
    server.on('stream', (stream, headers) => {
      if (seen.length < 3) seen.push([headers[':authority'], headers[':path'], headers['x-one']].join(' '));
      stream.on('error', () => {});
      stream.respond({ ':status': status });
      stream.end(body);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const load = new Http2Load(temporaryFolder(), new AbortController().signal);
    return { load, plan: { port, bodyBytes: 100, connections: 16, seconds: 1, headers: ['x-one: 1'] }, seen };
  }

  it('asks over a few connections at once, and counts what was answered', async (context) => {
    requirePeers(context, 'h2load');
    const { load, plan, seen } = await loadOn('x'.repeat(100));
    const result = await load.run(plan);
    expect(result.requests).toBeGreaterThan(10);
    expect(result).toMatchObject({ errors: 0, durationUs: 1e6 });
    expect(result.p99Us).toBeGreaterThanOrEqual(result.p50Us);
    expect(sessions.size).toBe(2);
    expect(seen[0]).toBe('ftgo-consumer-service /100 1');
  });

  it('finds an answer that is not the one that was asked for', async (context) => {
    requirePeers(context, 'h2load');
    const { load, plan } = await loadOn('short');
    await expect(load.check(plan)).rejects.toThrow('answers 5 body bytes instead of 100');
    await expect(load.run(plan)).rejects.toThrow(/responses had \d+ bytes, expected/);
  });

  it('finds an error instead of an answer', async (context) => {
    requirePeers(context, 'h2load');
    const { load, plan } = await loadOn('x'.repeat(100), 503);
    await expect(load.check(plan)).rejects.toThrow('answers 503 instead of 200');
    await expect(load.run(plan)).rejects.toThrow(/requests failed/);
  });
});

it('a proxy that speaks no HTTP/2 with backends says so', async () => {
  const nginx = http2Peers.find(({ name }) => name === 'nginx');
  await expect(nginx?.startHttp2(undefined as never)).rejects.toThrow('speaks no HTTP/2 with backends');
});

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Load, type LoadPlan, type LoadResult, loadFault, parseLoadResult } from '../../bench/load.ts';
import { requirePeers } from '../support/peers.ts';

const plan: LoadPlan = { port: 1, bodyBytes: 100, connections: 64, seconds: 1, headers: [] };
const result: LoadResult = { requests: 1_000, durationUs: 1e6, bytes: 250_000, p50Us: 500, p99Us: 900, errors: 0 };

describe('a load result', () => {
  it('is read from the one line that the script adds to the text of wrk', () => {
    const stdout = `Running 1s test @ http://127.0.0.1:1/\n  1 threads and 64 connections\n${JSON.stringify(result)}\n`;
    expect(parseLoadResult(stdout)).toEqual(result);
  });

  it('that is missing is an error that shows what wrk said', () => {
    expect(() => parseLoadResult('unable to connect to 127.0.0.1:1')).toThrow('unable to connect to 127.0.0.1:1');
  });

  it.each<[string, Partial<LoadResult>, string | undefined]>([
    ['whole responses without errors', {}, undefined],
    ['a failed request', { errors: 3 }, '3 of 1000 requests failed'],
    ['no request at all', { requests: 0, bytes: 0 }, 'no request was answered'],
    ['bodies that are too short', { bytes: 99_999 }, 'expected 100000 to 1195936'],
    ['bodies that are too long', { bytes: 2_000_000 }, 'had 2000000 bytes'],
    ['responses under way at the end', { bytes: 100_000 + 64 * 200 }, undefined],
  ])('with %s is judged so', (_what, change, fault) => {
    const judged = loadFault({ ...result, ...change }, plan);
    if (fault === undefined) expect(judged).toBeUndefined();
    else expect(judged).toContain(fault);
  });
});

describe('the load generator', () => {
  let server: Server | undefined;
  let directory: string | undefined;

  afterEach(async () => {
    server?.closeAllConnections();
    server?.close();
    if (directory !== undefined) await rm(directory, { recursive: true });
  });

  async function loadOn(handler: RequestListener): Promise<{ load: Load; plan: LoadPlan }> {
    server = createServer(handler).listen(0, '127.0.0.1');
    await once(server, 'listening');
    directory = await mkdtemp(join(tmpdir(), 'heddle-load-'));
    const { port } = server.address() as AddressInfo;
    return { load: new Load(directory, new AbortController().signal), plan: { ...plan, port, connections: 4 } };
  }

  it('counts the requests that a server has answered and takes their times', async (context) => {
    requirePeers(context, 'wrk');
    let answered = 0;
    const { load, plan } = await loadOn((request, response) => {
      answered += 1;
      expect(request.headers.host).toBe('ftgo-consumer-service');
      response.end('x'.repeat(100));
    });
    const { requests, p50Us, p99Us } = await load.run(plan);
    expect(requests).toBeGreaterThan(100);
    expect(answered).toBeGreaterThanOrEqual(requests);
    expect(answered - requests).toBeLessThanOrEqual(plan.connections);
    expect(p50Us).toBeGreaterThan(0);
    expect(p99Us).toBeGreaterThanOrEqual(p50Us);
  });

  it('sends the headers of the plan with every request', async (context) => {
    requirePeers(context, 'wrk');
    const { load, plan } = await loadOn((request, response) => {
      response.statusCode = request.headers['end-user'] === 'nobody' ? 200 : 500;
      response.end('x'.repeat(100));
    });
    await expect(load.run({ ...plan, headers: ['end-user: nobody'] })).resolves.toMatchObject({ errors: 0 });
  });

  it('fails a series in which any response has an error status', async (context) => {
    requirePeers(context, 'wrk');
    let answered = 0;
    const { load, plan } = await loadOn((_request, response) => {
      answered += 1;
      if (answered % 50 === 0) response.statusCode = 503;
      response.end('x'.repeat(100));
    });
    await expect(load.run(plan)).rejects.toThrow(/^\d+ of \d+ requests failed$/);
  });

  it('fails a series whose bodies are too short', async (context) => {
    requirePeers(context, 'wrk');
    const { load, plan } = await loadOn((_request, response) => response.end());
    await expect(load.run({ ...plan, bodyBytes: 65_536 })).rejects.toThrow('expected');
  });

  it('looks at one answer before it measures', async (context) => {
    requirePeers(context, 'wrk');
    const { load, plan } = await loadOn((request, response) => {
      response.statusCode = request.url === '/100' ? 200 : 404;
      response.end('x'.repeat(100));
    });
    await expect(load.check(plan)).resolves.toBeUndefined();
    await expect(load.check({ ...plan, bodyBytes: 200 })).rejects.toThrow('answers 404 instead of 200');
  });
});

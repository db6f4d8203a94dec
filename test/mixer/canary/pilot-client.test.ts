import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PilotClient, type WatchEvent } from '../../../mixer/canary/pilot-client.ts';
import { startServer, type TestServer } from './hostile-servers.ts';

let server: TestServer;
let pilot: PilotClient;

beforeEach(async () => {
  server = await startServer((response) => response.end('{}'));
  pilot = new PilotClient(`${server.url}/`);
});

afterEach(async () => {
  await pilot.close();
  await server.close();
});

const collect = async (signal: AbortSignal, limit: number): Promise<WatchEvent[]> => {
  const events: WatchEvent[] = [];
  for await (const event of pilot.watch('VirtualService', '7', signal)) if (events.push(event) === limit) break;
  return events;
};

describe('pilot over HTTP', () => {
  test('a watch is lines, however they are cut', async () => {
    const line = (name: string): string => `${JSON.stringify({ type: 'ADDED', object: { metadata: { name } } })}\n`;
    server.answer = (response) => {
      const bytes = Buffer.from(`${line('ä')}\n${line('b')}`);
      response.write(bytes.subarray(0, 48));
      setTimeout(() => response.end(bytes.subarray(48)), 20);
    };
    const events = await collect(new AbortController().signal, 10);
    expect(events.map(({ object }) => object.metadata.name)).toEqual(['ä', 'b']);
    expect(server.asked[0]?.path).toContain('/apis/networking.istio.io/v1/virtualservices?watch=true');
    expect(server.asked[0]?.path).toContain('resourceVersion=7');
  });

  test('a line without end is given up', async () => {
    server.answer = (response) => void response.write('x'.repeat(5_000_000));
    await expect(collect(new AbortController().signal, 1)).rejects.toThrow('a line of the watch');
  });

  test('a watch that hangs ends with its signal', async () => {
    server.answer = (response) => void response.write('\n');
    const closed = new AbortController();
    setTimeout(() => closed.abort(), 50);
    await expect(collect(closed.signal, 1)).rejects.toThrow();
  });

  test('what pilot refuses has its status and its sentence', async () => {
    server.answer = (response) => void response.writeHead(409).end(JSON.stringify({ message: 'it is at "12" now' }));
    await expect(pilot.list('VirtualService')).rejects.toMatchObject({ status: 409, message: 'it is at \\"12\\" now' });
    server.answer = (response) => void response.writeHead(502).end('<html>');
    await expect(pilot.list('VirtualService')).rejects.toMatchObject({ status: 502 });
  });

  test('versions are asked for by the full name of the host; a control plane that does not tell is no error', async () => {
    const endpoints = [{ labels: { version: 'v1' } }, { labels: {} }];
    server.answer = (response) => void response.end(JSON.stringify({ endpoints }));
    expect(await pilot.versionsOf('reviews.default.svc.cluster.local')).toEqual(['v1', '']);
    expect(server.asked[0]?.path).toBe('/debug/endpointz?service=reviews.default.svc.cluster.local');
    server.answer = (response) => void response.end('{}');
    expect(await pilot.versionsOf('a')).toBeUndefined();
    server.answer = (response) => void response.writeHead(404).end('{}');
    expect(await pilot.versionsOf('a')).toBeUndefined();
    server.answer = (response) => void response.writeHead(503).end('{}');
    await expect(pilot.versionsOf('a')).rejects.toMatchObject({ status: 503 });
  });

  test('an answer that is no JSON is an error', async () => {
    server.answer = (response) => response.end('<html>');
    await expect(pilot.list('VirtualService')).rejects.toThrow();
  });
});

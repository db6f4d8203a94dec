import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type OpenLoopPlan, type OpenLoopResult, runOpenLoop } from '../../../bench/open-loop/generator.ts';

const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const response = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
let server: net.Server | undefined;
const sockets = new Set<Socket>();

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  server?.close();
});

/** Runs the load against a server that hands every request to `answer`. */
async function loadOn(answer: (socket: Socket) => void, plan: Partial<OpenLoopPlan> = {}): Promise<OpenLoopResult> {
  server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', () => answer(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return runOpenLoop({ port, request, bodyBytes: 2, connections: 4, ratePerSecond: 400, seconds: 0.5, ...plan });
}

describe('the open loop', () => {
  it('sends as many requests as the rate says and takes the time of each', async () => {
    let count = 0;
    const result = await loadOn((socket) => {
      count += 1;
      socket.write(response);
    });
    expect(count).toBe(200);
    expect(result.requests).toBe(200);
    expect(result.latency.p50Us).toBeGreaterThan(0);
    expect(result.latency.maxUs).toBeGreaterThanOrEqual(result.latency.p50Us);
  });

  it('counts the time that requests waited behind a stalled server, not only the time of the one that stalled', async () => {
    let count = 0;
    const stallMs = 200;
    const result = await loadOn(
      (socket) => {
        count += 1;
        if (count === 20) setTimeout(() => socket.write(response), stallMs);
        else socket.write(response);
      },
      { connections: 1 },
    );
    // 400 a second: about 80 requests came due during the stall. A closed loop would have seen one slow request.
    expect(result.waited).toBeGreaterThan(40);
    expect(result.latency.maxUs).toBeGreaterThanOrEqual(stallMs * 1_000 * 0.9);
    expect(result.latency.p50Us).toBeLessThan(result.latency.maxUs);
    expect(result.latency.p99Us).toBeGreaterThan((stallMs * 1_000) / 2);
  });

  it.each<[string, (socket: Socket) => void, string]>([
    [
      'an error',
      (socket) => socket.write('HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno'),
      'begins with "HTTP/1.1 503"',
    ],
    ['the end of the connection', (socket) => socket.destroy(), 'a connection was closed'],
  ])('fails when a response is %s', async (_, answer, message) => {
    await expect(loadOn(answer)).rejects.toThrow(message);
  });
});

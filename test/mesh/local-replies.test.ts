import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, fetchText, Mesh, type RunningSidecar } from '../support/mesh.ts';
import { sumRequests } from '../support/request-counts.ts';
import type { Client } from '../support/traffic.ts';

const serviceWithoutEndpoints = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: deserted }
spec:
  hosts: [deserted.example.com]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
`;

describe('requests that no application can answer', () => {
  let mesh: Mesh;
  let sidecar: RunningSidecar;
  let client: Client;

  beforeAll(async () => {
    mesh = await Mesh.create();
    await mesh.startControlPlane();
    sidecar = await mesh.startSidecar({ service: 'reviews' });
    client = mesh.connect(sidecar, 'reviews');
    await mesh.apply(serviceWithoutEndpoints);
    await eventually(async () => ((await client.call()).status === 200 ? true : undefined));
  });

  /** However bad the request was: the next good one is served by the same process. */
  afterAll(async () => {
    expect((await client.call()).status).toBe(200);
    expect(sidecar.child.isRunning).toBe(true);
    await mesh.close();
  });

  const send = (bytes: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(new URL(sidecar.outboundUrl).port), '127.0.0.1', () =>
        socket.write(bytes, 'latin1'),
      );
      let received = '';
      socket.setEncoding('latin1').on('data', (text: string) => (received += text));
      socket.on('error', reject).on('close', () => resolve(received));
    });

  const countFlags = async (flag: string): Promise<number> =>
    sumRequests(await fetchText(`${sidecar.adminUrl}/stats/prometheus`), { response_flags: flag });

  test.each([
    ['a line that is no request line', 'rubbish\r\n\r\n'],
    ['a space before the colon', 'GET / HTTP/1.1\r\nHost : reviews\r\n\r\n'],
    [
      'both framings',
      'POST / HTTP/1.1\r\nHost: reviews\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: reviews\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd'],
    ['a folded header', 'GET / HTTP/1.1\r\nHost: reviews\r\nA: b\r\n c\r\n\r\n'],
    ['bare line feeds', 'GET / HTTP/1.1\nHost: reviews\n\n'],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
    ['a NUL in a value', 'GET / HTTP/1.1\r\nHost: reviews\r\nA: \0\r\n\r\n'],
  ])('%s is answered with 400, and the connection ends', async (_, bytes) => {
    expect(await send(bytes)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('a head beyond 60 KiB is answered with 431', async () => {
    const head = `GET / HTTP/1.1\r\nHost: reviews\r\nA: ${'a'.repeat(70_000)}\r\n\r\n`;
    expect(await send(head).catch((error: unknown) => String(error))).toMatch(/^HTTP\/1\.1 431 |ECONNRESET|EPIPE/);
  });

  test('a name that only a service can have, and none has, is answered with 404, flag NR', async () => {
    const before = await countFlags('NR');
    const stranger = mesh.connect(sidecar, 'nobody');
    expect((await stranger.call()).status).toBe(404);
    expect(await countFlags('NR')).toBe(before + 1);
  });

  test('a service without a healthy endpoint is answered with 503, flag UH', async () => {
    const before = await countFlags('UH');
    const caller = mesh.connect(sidecar, 'deserted.example.com');
    expect((await caller.call()).status).toBe(503);
    expect(await countFlags('UH')).toBe(before + 1);
  });
});

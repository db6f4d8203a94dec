import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { eventually, Mesh, type RunningSidecar } from '../support/mesh.ts';
import { until } from '../support/turns.ts';

describe('a WebSocket through two sidecars', () => {
  let mesh: Mesh;
  let reviews: RunningSidecar;
  let caller: RunningSidecar;

  beforeAll(async () => {
    mesh = await Mesh.create();
    await mesh.startControlPlane();
    reviews = await mesh.startSidecar({ service: 'reviews' });
    caller = await mesh.startSidecar({ service: 'web', hasApplication: false });
    const client = mesh.connect(caller, 'reviews');
    await eventually(async () => ((await client.call()).status === 200 ? true : undefined));
  });

  afterAll(() => mesh.close());

  test('carries messages, small and large, and B10: lives on through a drain until its deadline', async () => {
    const url = caller.outboundUrl.replace('http:', 'ws:');
    const socket = new WebSocket(url, { headers: { host: 'reviews' }, perMessageDeflate: false });
    const messages: string[] = [];
    let isClosed = false;
    socket.on('message', (data: Buffer) => messages.push(data.toString()));
    socket.on('error', () => {});
    socket.on('close', () => (isClosed = true));
    await once(socket, 'open');
    for (const text of ['hello', 'x'.repeat(3_000_000), 'bye']) {
      socket.send(text);
      await until(() => messages.at(-1) === `v1 ${text}`);
    }
    reviews.child.kill('SIGTERM');
    await eventually(async () => ((await mesh.workloadStatus(reviews.child)) === 'DRAINING' ? true : undefined));
    for (let i = 0; i < 10; i++) {
      socket.send(`still ${i}`);
      await until(() => messages.at(-1) === `v1 still ${i}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(isClosed).toBe(false);
    expect((await reviews.child.exited).code, reviews.child.output).toBe(0);
    await until(() => isClosed);
  });
});

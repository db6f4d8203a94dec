/** Calls of gRPC from one application to another, through the sidecars of both. */
import { randomBytes } from 'node:crypto';
import { status as Status } from '@grpc/grpc-js';
import { beforeEach, describe, expect, test } from 'vitest';
import { failWith, GrpcBackend, silent } from '../support/grpc/grpc-backend.ts';
import { GrpcClient } from '../support/grpc/grpc-client.ts';
import { addWorkload, type GrpcMesh, grpcPort, startGrpcMesh, untilEndpoints } from '../support/grpc/grpc-mesh.ts';
import { requirePeers } from '../support/peers.ts';
import { until } from '../support/turns.ts';
import { besideEachSidecar, type Sidecar } from './live-mesh.ts';

const mebibyte = 1024 * 1024;
const put = '/shop.Cart/Put';

/** A client and a server of `cart`, with a sidecar each. */
async function start(kind: Sidecar): Promise<GrpcMesh & { readonly backend: GrpcBackend }> {
  const backend = await GrpcBackend.start('v1');
  const started = await startGrpcMesh({});
  await addWorkload(started, kind, { service: 'cart', version: 'v1', appPort: backend.port });
  await untilEndpoints(started.mesh, 1);
  return { ...started, backend };
}

besideEachSidecar(() => {
  describe.each(['heddle', 'envoy'] as const)('to a server beside %s:', (kind) => {
    beforeEach((context) => {
      if (kind === 'envoy') requirePeers(context, 'envoy');
    });

    test('a unary call has its metadata, a message of 1 MiB each way, and its trailers', async () => {
      const { client } = await start(kind);
      const message = randomBytes(mebibyte);
      const metadata = { 'x-said': 'a, "b"', 'x-said-bin': Buffer.from([0, 44, 127, 255]) };
      const answer = await client.call({ path: put, message, metadata });
      expect(answer.status).toBe('OK');
      expect(answer.messages.map((each) => each.equals(message))).toEqual([true]);
      expect(answer.head).toMatchObject({ 'x-heard': 'a, "b"', 'x-heard-bin': metadata['x-said-bin'] });
      expect(answer.trailers).toEqual({ 'x-length': String(mebibyte), 'x-length-bin': Buffer.from([0, 1, 255]) });
    });

    test('a stream of messages comes back in order, the last of them with trailers behind it', async () => {
      const { client } = await start(kind);
      const { status, messages, trailers } = await client.list(1_000);
      expect(status).toBe('OK');
      expect(messages.map(String)).toEqual(Array.from({ length: 1_000 }, (_, i) => `item ${i}`));
      expect(trailers).toEqual({ 'x-name': 'cart-v1' });
    });

    test('a stream of messages gets there in order and is answered with one of 1 MiB', async () => {
      const { client } = await start(kind);
      const parts = Array.from({ length: 64 }, () => randomBytes(mebibyte / 64));
      const { status, messages } = await client.fill(parts);
      expect(status).toBe('OK');
      expect(messages.map((each) => each.equals(Buffer.concat(parts)))).toEqual([true]);
    });

    test('a conversation goes turn by turn, without either side having to end its part first', async () => {
      const { client } = await start(kind);
      const chat = client.chat();
      for (let i = 0; i < 50; i++) expect(await chat.say(String(i))).toBe(`cart-v1: ${i}`);
      expect((await chat.end()).status).toBe('OK');
    });

    test('a status, its message and its details are those of the server', async () => {
      const { client, backend } = await start(kind);
      backend.answer = failWith(Status.NOT_FOUND, 'no such cart: 50 %\nGrüße');
      const answer = await client.call();
      expect(answer).toMatchObject({ status: 'NOT_FOUND', details: 'no such cart: 50 %\nGrüße', flag: undefined });
      // Behind messages it stands in the trailers, in front of none it is the head of the response.
      backend.answer = (call, answer) => {
        call.sendMetadata(call.metadata);
        answer({ code: Status.ABORTED, details: 'after all', metadata: call.metadata });
      };
      const late = await client.call({
        metadata: { 'grpc-status-details-bin': Buffer.from([8, 10]), 'x-why': 'full' },
      });
      expect(late).toMatchObject({ status: 'ABORTED', details: 'after all' });
      expect(late.trailers).toMatchObject({ 'grpc-status-details-bin': Buffer.from([8, 10]), 'x-why': 'full' });
    });

    test('no call has metadata of another one on the same connections', async () => {
      const { client, mesh } = await start(kind);
      const other = new GrpcClient(mesh.outboundPort, `cart.default:${grpcPort}`);
      await client.call({ metadata: { 'x-user': 'ann', 'x-token': 'secret', 'x-token-bin': Buffer.from('secret') } });
      for (let i = 0; i < 5; i++) {
        for (const each of [client, other]) {
          const { echo } = await each.call({ metadata: { [`x-${i}`]: 'own' } });
          const names = Object.keys(echo?.metadata ?? {}).filter(
            (name) => !/^(user-agent|x-(envoy|forwarded|request)-.*)$/.test(name),
          );
          expect(names).toEqual([`x-${i}`]);
        }
      }
    });

    test('a hundred calls at once share the connections, and each gets its own answer', async () => {
      const { client, backend } = await start(kind);
      const messages = Array.from({ length: 100 }, (_, i) => randomBytes(1_000 + i));
      const answers = await Promise.all(messages.map((message) => client.call({ path: put, message })));
      expect(answers.map(({ messages: [first] }, i) => messages[i]?.equals(first ?? Buffer.alloc(0)))).toEqual(
        messages.map(() => true),
      );
      expect(backend.peers.size).toBeLessThan(10);
    });

    test('the server hears of calls that their client gives up, by itself or because its time is over', async () => {
      const { client, backend } = await start(kind);
      backend.answer = silent;
      const chat = client.chat();
      await chat.say('hello');
      chat.cancel();
      expect((await chat.ended).status).toBe('CANCELLED');
      // The sidecars watch the time as well, and in Envoy's words one of them may be the first to say that it is over.
      expect((await client.call({ deadlineMs: 200 })).status).toMatch(/^(DEADLINE_EXCEEDED|UNAVAILABLE)$/);
      await until(
        () => backend.cancelled === 2,
        () => `two calls to be given up, ${backend.cancelled} were`,
      );
    });
  });
});

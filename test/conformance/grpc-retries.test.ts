/** Which calls of gRPC a sidecar makes again. All of them are POSTs: nobody knows what a second one would do (B1). */
import http2 from 'node:http2';
import { status as Status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { destinationRule, virtualService } from '../simulation/yaml.ts';
import { ErraticServer, goesAway, ignores, resets } from '../support/grpc/erratic-server.ts';
import { type Answering, echoCall, failWith, GrpcBackend } from '../support/grpc/grpc-backend.ts';
import type { GrpcClient } from '../support/grpc/grpc-client.ts';
import { type Server, startGrpcMesh, toCart } from '../support/grpc/grpc-mesh.ts';
import { unusedPort } from '../support/unused-port.ts';
import { besideEachSidecar } from './live-mesh.ts';

const { NGHTTP2_INTERNAL_ERROR: internalError, NGHTTP2_REFUSED_STREAM: refused } = http2.constants;
const balanced = destinationRule('cart', 'trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } }');
const retries = (text: string): string => virtualService('cart', `[{ retries: { ${text} }, ${toCart} }]`);

/** A well server and one that is not, which calls reach in turn. */
async function start(sick: Server, rules = ''): Promise<{ client: GrpcClient; well: GrpcBackend }> {
  const well = await GrpcBackend.start('well');
  const { client } = await startGrpcMesh({ servers: [sick, well], yaml: balanced + rules });
  return { client, well };
}

const startWith = async (answer: Answering, rules?: string) => {
  const sick = await GrpcBackend.start('sick', answer);
  return { ...(await start(sick, rules)), sick };
};

const unavailable = failWith(Status.UNAVAILABLE, 'closing time');
const allWell = { 'cart-well': 10 };

besideEachSidecar(() => {
  describe('by default a call is made again', () => {
    test('where nobody accepts connections', async () => {
      const { client } = await start({ version: 'dead', port: await unusedPort() });
      expect(await client.share(10)).toEqual(allWell);
    });

    test.each([
      ['resets a stream as refused', resets(refused)],
      ['goes away without having worked on it', goesAway],
    ])('where a server %s, with all that it has to say', async (_, mood) => {
      const sick = await ErraticServer.start('sick', mood);
      const { client } = await start(sick);
      const message = Buffer.alloc(100_000, 'x');
      const landed: unknown[] = [];
      for (let i = 0; i < 12; i++) {
        const { status, echo } = await client.call({ message });
        landed.push(echo?.name ?? status);
        if (echo?.name === 'cart-well') expect(echo.bytes).toBe(message.length);
      }
      expect(landed.filter((place) => place !== 'cart-sick' && place !== 'cart-well')).toEqual([]);
      expect(sick.calls).toBeGreaterThan(landed.filter((place) => place === 'cart-sick').length);
    });
  });

  describe('B1: by default a call that a server may have worked on is not made again', () => {
    test.each([
      ['UNAVAILABLE', Status.UNAVAILABLE],
      ['CANCELLED', Status.CANCELLED],
    ])('%s is the answer', async (name, code) => {
      const { client, sick } = await startWith(failWith(code));
      expect(await client.share(10)).toEqual({ 'cart-well': 5, [name]: 5 });
      expect(sick.calls).toBe(5);
    });

    test('a stream that breaks off is UNAVAILABLE', async () => {
      const sick = await ErraticServer.start('sick', resets(internalError));
      const { client } = await start(sick);
      expect(await client.share(10)).toEqual({ 'cart-well': 5, UNAVAILABLE: 5 });
      expect(sick.calls).toBe(5);
    });
  });

  describe('a rule has a call made again', () => {
    test.each([
      ['cancelled', Status.CANCELLED],
      ['deadline-exceeded', Status.DEADLINE_EXCEEDED],
      ['internal', Status.INTERNAL],
      ['resource-exhausted', Status.RESOURCE_EXHAUSTED],
      ['unavailable', Status.UNAVAILABLE],
    ])('that was answered with what `%s` stands for, and with nothing else', async (word, code) => {
      const { client, sick } = await startWith(failWith(code), retries(`attempts: 1, retryOn: "${word}"`));
      expect(await client.share(10)).toEqual(allWell);
      expect(sick.calls).toBeGreaterThan(0);
      sick.answer = failWith(Status.FAILED_PRECONDITION);
      expect(await client.share(10)).toEqual({ 'cart-well': 5, FAILED_PRECONDITION: 5 });
    });

    test('whose stream was reset', async () => {
      const sick = await ErraticServer.start('sick', resets(internalError));
      const { client } = await start(sick, retries('attempts: 1, retryOn: reset'));
      expect(await client.share(10)).toEqual(allWell);
    });

    test('that got no answer in the time of one attempt', async () => {
      const sick = await ErraticServer.start('sick', ignores);
      const { client } = await start(sick, retries('attempts: 1, perTryTimeout: 250ms, retryOn: reset'));
      expect(await client.share(4)).toEqual({ 'cart-well': 4 });
      expect(sick.calls).toBeGreaterThan(0);
    });

    test('as often as it says, and tells the server which attempt it is', async () => {
      const attempts: string[] = [];
      const sick = await GrpcBackend.start('sick', (call, answer, backend) => {
        attempts.push(call.metadata.get('x-envoy-attempt-count').join());
        (attempts.length === 4 ? echoCall : unavailable)(call, answer, backend);
      });
      const { client } = await startGrpcMesh({
        servers: [sick],
        yaml: retries('attempts: 3, retryOn: unavailable'),
      });
      expect((await client.call()).landed).toBe('cart-sick');
      expect(await client.call()).toMatchObject({ status: 'UNAVAILABLE', details: 'closing time' });
      expect(attempts.join(' ')).toBe('1 2 3 4 1 2 3 4');
    });

    test('only while there is nothing of an answer', async () => {
      const { client, sick } = await startWith((call, answer, backend) => {
        call.sendMetadata(call.metadata);
        unavailable(call, answer, backend);
      }, retries('attempts: 1, retryOn: "unavailable,reset"'));
      expect(await client.share(10)).toEqual({ 'cart-well': 5, UNAVAILABLE: 5 });
      expect(sick.calls).toBe(5);
    });

    test('never when it asks for no attempts', async () => {
      const { client, sick } = await startWith(unavailable, retries('attempts: 0'));
      expect(await client.share(10)).toEqual({ 'cart-well': 5, UNAVAILABLE: 5 });
      expect(sick.calls).toBe(5);
    });
  });
});

test('beside our sidecar an application has a call made again by saying so in its metadata', async () => {
  const { client } = await startWith(unavailable);
  const metadata = { 'x-envoy-retry-grpc-on': 'unavailable', 'x-envoy-max-retries': '3' };
  expect(await client.share(10, { metadata })).toEqual(allWell);
});

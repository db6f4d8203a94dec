/** Limits and health of a service of gRPC: connections are shared, so requests are what is counted. */
import http2 from 'node:http2';
import { status as Status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { destinationRule } from '../simulation/yaml.ts';
import { answersWith, ErraticServer, resets } from '../support/grpc/erratic-server.ts';
import { type Answering, echoCall, failWith, GrpcBackend } from '../support/grpc/grpc-backend.ts';
import { type GrpcMesh, type Server, startGrpcMesh } from '../support/grpc/grpc-mesh.ts';
import { until } from '../support/turns.ts';
import { besideEachSidecar } from './live-mesh.ts';

const pool = (http: string, tcp = ''): string =>
  destinationRule('cart', `trafficPolicy: { connectionPool: { http: { ${http} }, tcp: { ${tcp} } } }`);

/** Answers when it is told to. */
class Patient {
  readonly #waiting: (() => void)[] = [];

  readonly answer: Answering = (...call) => void this.#waiting.push(() => echoCall(...call));

  get waiting(): number {
    return this.#waiting.length;
  }

  async untilWaiting(count: number): Promise<void> {
    await until(
      () => this.waiting === count,
      () => `${count} calls at the server, there are ${this.waiting}`,
    );
  }

  release(): void {
    for (const answer of this.#waiting.splice(0)) answer();
  }
}

async function startPatient(
  yaml: string,
): Promise<GrpcMesh & { readonly patient: Patient; readonly backend: GrpcBackend }> {
  const patient = new Patient();
  const backend = await GrpcBackend.start('v1', patient.answer);
  return { ...(await startGrpcMesh({ servers: [backend], yaml })), patient, backend };
}

besideEachSidecar((sidecar) => {
  const overflow = sidecar === 'heddle' ? { status: 'UNAVAILABLE', flag: 'UO' } : { status: 'UNAVAILABLE' };

  describe('a connection', () => {
    test('carries as many calls at once as there are', async () => {
      const { client, patient, backend } = await startPatient('');
      const calls = Array.from({ length: 50 }, () => client.call());
      await patient.untilWaiting(50);
      patient.release();
      expect(new Set((await Promise.all(calls)).map(({ status }) => status))).toEqual(new Set(['OK']));
      expect(backend.peers.size).toBe(1);
    });

    test('carries no more calls at once than maxConcurrentStreams says: a second call gets a second one', async () => {
      const { client, patient, backend } = await startPatient(pool('maxConcurrentStreams: 1'));
      const calls = [client.call(), client.call()];
      await patient.untilWaiting(2);
      patient.release();
      expect((await Promise.all(calls)).map(({ status }) => status)).toEqual(['OK', 'OK']);
      expect(backend.peers.size).toBe(2);
    });

    test('carries no more calls, one after the other, than maxRequestsPerConnection says', async () => {
      const backend = await GrpcBackend.start('v1');
      const { client } = await startGrpcMesh({ servers: [backend], yaml: pool('maxRequestsPerConnection: 2') });
      expect(await client.share(6)).toEqual({ 'cart-v1': 6 });
      expect(backend.peers.size).toBe(3);
    });
  });

  describe('beyond a limit', () => {
    test('of http2MaxRequests a call fails at once, and the next one that there is room for does not', async () => {
      const { client, patient, backend } = await startPatient(pool('http2MaxRequests: 1'));
      const first = client.call();
      await patient.untilWaiting(1);
      expect(await client.call()).toMatchObject(overflow);
      expect(backend.calls).toBe(1);
      patient.release();
      expect((await first).status).toBe('OK');
      const third = client.call();
      await patient.untilWaiting(1);
      patient.release();
      expect((await third).status).toBe('OK');
    });

    test('a conversation counts as one request for as long as it lasts', async () => {
      const { client } = await startPatient(pool('http2MaxRequests: 1'));
      const chat = client.chat();
      await chat.say('hello');
      expect(await client.call()).toMatchObject(overflow);
      expect((await chat.end()).status).toBe('OK');
      expect((await client.list(3)).status).toBe('OK');
    });

    test('of connections calls wait for a stream, and beyond that of waiting ones they fail at once', async () => {
      const { client, patient, backend } = await startPatient(
        pool('maxConcurrentStreams: 1, http1MaxPendingRequests: 1', 'maxConnections: 1'),
      );
      const first = client.call();
      await patient.untilWaiting(1);
      const [second, third] = [client.call(), client.call()];
      const early = await Promise.race([second, third]);
      expect(early).toMatchObject(overflow);
      patient.release();
      expect((await first).status).toBe('OK');
      await patient.untilWaiting(1);
      patient.release();
      const statuses = (await Promise.all([second, third])).map(({ status }) => status);
      expect(statuses.sort()).toEqual(['OK', 'UNAVAILABLE']);
      expect(backend.peers.size).toBe(1);
    });
  });

  describe('outlier detection', () => {
    const detecting = destinationRule(
      'cart',
      'trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN }, outlierDetection: { consecutive5xxErrors: 3, baseEjectionTime: 60s, maxEjectionPercent: 50 } }',
    );

    /** How the calls of a mesh with a well server and this one end, before it is ejected and then. */
    async function sharesWith(sick: Server): Promise<Record<string, number>[]> {
      const well = await GrpcBackend.start('well');
      const { client } = await startGrpcMesh({ servers: [sick, well], yaml: detecting });
      return [await client.share(6), await client.share(20)];
    }

    test.each([
      ['answers with an error of HTTP', answersWith(503)],
      ['resets its streams', resets(http2.constants.NGHTTP2_INTERNAL_ERROR)],
    ])('ejects a server that %s', async (_, mood) => {
      const shares = await sharesWith(await ErraticServer.start('sick', mood));
      expect(shares).toEqual([{ UNAVAILABLE: 3, 'cart-well': 3 }, { 'cart-well': 20 }]);
    });

    test.each([
      ['UNAVAILABLE', Status.UNAVAILABLE],
      ['INTERNAL', Status.INTERNAL],
      ['UNKNOWN', Status.UNKNOWN],
    ])('ejects a server that answers %s, which is an error of servers in HTTP', async (name, code) => {
      const shares = await sharesWith(await GrpcBackend.start('sick', failWith(code)));
      expect(shares).toEqual([{ [name]: 3, 'cart-well': 3 }, { 'cart-well': 20 }]);
    });

    test.each([
      ['NOT_FOUND', Status.NOT_FOUND],
      ['FAILED_PRECONDITION', Status.FAILED_PRECONDITION],
      ['RESOURCE_EXHAUSTED', Status.RESOURCE_EXHAUSTED],
    ])('keeps a server that answers %s, which is an answer', async (name, code) => {
      const shares = await sharesWith(await GrpcBackend.start('sick', failWith(code)));
      expect(shares).toEqual([
        { [name]: 3, 'cart-well': 3 },
        { [name]: 10, 'cart-well': 10 },
      ]);
    });
  });
});

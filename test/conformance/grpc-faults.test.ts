/** What a client of gRPC hears when it is not a server that answers: a status of gRPC, and never a page of HTTP. */
import { describe, expect, test } from 'vitest';
import { destinationRule, virtualService } from '../simulation/yaml.ts';
import { ErraticServer, ignores } from '../support/grpc/erratic-server.ts';
import { GrpcBackend } from '../support/grpc/grpc-backend.ts';
import { type GrpcAnswer, GrpcClient } from '../support/grpc/grpc-client.ts';
import { type GrpcMesh, grpcPort, grpcService, startGrpcMesh, toCart } from '../support/grpc/grpc-mesh.ts';
import { unusedPort } from '../support/unused-port.ts';
import { besideEachSidecar } from './live-mesh.ts';

const always = 'percentage: { value: 100 }';
const rule = (rest: string): string => virtualService('cart', `[{ ${rest}${toCart} }]`);

async function start(yaml: string): Promise<GrpcMesh & { readonly backend: GrpcBackend }> {
  const backend = await GrpcBackend.start('v1');
  return { ...(await startGrpcMesh({ servers: [backend], yaml })), backend };
}

/** A server that never answers. */
async function startSilent(yaml = ''): Promise<GrpcMesh & { readonly server: ErraticServer }> {
  const server = await ErraticServer.start('v1', ignores);
  return { ...(await startGrpcMesh({ servers: [server], yaml })), server };
}

/** How long a call takes until it is over. */
async function timed(call: Promise<GrpcAnswer>): Promise<GrpcAnswer & { readonly ms: number }> {
  const startMs = performance.now();
  return { ...(await call), ms: performance.now() - startMs };
}

besideEachSidecar((sidecar) => {
  /** Of a local reply: only ours tells its flag, and the reason in words of its own. */
  const refused = (status: string, flag: string, reason: RegExp): Partial<GrpcAnswer> =>
    sidecar === 'heddle' ? { status, flag, details: expect.stringMatching(reason) as string } : { status };

  describe('injected faults', () => {
    test.each(['UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'PERMISSION_DENIED'])(
      'are the status that a rule names: %s',
      async (name) => {
        const { client, backend } = await start(rule(`fault: { abort: { grpcStatus: ${name}, ${always} } }, `));
        expect(await client.call()).toMatchObject({ status: name, details: 'fault filter abort' });
        expect((await client.list(3)).status).toBe(name);
        expect(backend.calls).toBe(0);
      },
    );

    test.each([
      [401, 'UNAUTHENTICATED'],
      [403, 'PERMISSION_DENIED'],
      [404, 'UNIMPLEMENTED'],
      [418, 'UNKNOWN'],
      [429, 'UNAVAILABLE'],
      [503, 'UNAVAILABLE'],
      [504, 'UNAVAILABLE'],
    ])('are what a status of HTTP stands for: %i', async (status, name) => {
      const { client } = await start(rule(`fault: { abort: { httpStatus: ${status}, ${always} } }, `));
      expect(await client.call()).toMatchObject({ status: name, trailers: { 'content-type': 'application/grpc' } });
    });

    test('are a delay, behind which the call goes on', async () => {
      const { client, backend } = await start(rule(`fault: { delay: { fixedDelay: 200ms, ${always} } }, `));
      const { landed, ms } = await timed(client.call({ message: Buffer.alloc(50_000) }));
      expect(landed).toBe('cart-v1');
      expect(ms).toBeGreaterThan(190);
      expect(backend.calls).toBe(1);
    });

    test('are not those of a share of 0 %', async () => {
      const { client } = await start(rule('fault: { abort: { grpcStatus: UNAVAILABLE } }, '));
      expect(await client.share(10)).toEqual({ 'cart-v1': 10 });
    });
  });

  describe('the time of a call', () => {
    test('S21: is over when that of its rule is', async () => {
      const { client } = await startSilent(rule('timeout: 300ms, '));
      const { ms, ...answer } = await timed(client.call());
      expect(answer).toMatchObject(refused('UNAVAILABLE', 'UT', /300 ms/));
      expect(ms).toBeGreaterThan(290);
      expect(ms).toBeLessThan(3_000);
    });

    test('S21: is over when its client says so, where the rule sets no limit', async () => {
      for (const yaml of ['', rule('')]) {
        const { client } = await startSilent(yaml);
        // Said, but not kept by the client itself.
        const { ms, ...answer } = await timed(client.call({ metadata: { 'grpc-timeout': '200m' } }));
        expect(answer).toMatchObject(refused('UNAVAILABLE', 'UT', /200 ms/));
        expect(ms).toBeGreaterThan(190);
      }
    });

    test('S21: is the shorter of both', async () => {
      const { client } = await startSilent(rule('timeout: 300ms, '));
      const longer = await timed(client.call({ metadata: { 'grpc-timeout': '1H' } }));
      expect(longer.status).toBe('UNAVAILABLE');
      expect(longer.ms).toBeGreaterThan(290);
      const shorter = await timed(client.call({ metadata: { 'grpc-timeout': '50m' } }));
      expect(shorter.status).toBe('UNAVAILABLE');
      expect(shorter.ms).toBeLessThan(290);
    });

    test('S21: reaches the server as its client has set it, which may go by it', async () => {
      const { client } = await start('');
      expect((await client.call()).echo?.timeoutMs).toBeUndefined();
      const { echo } = await client.call({ deadlineMs: 60_000 });
      expect(echo?.timeoutMs).toBeGreaterThan(50_000);
      expect(echo?.timeoutMs).toBeLessThanOrEqual(60_000);
    });
  });

  describe('where nobody can answer, a client hears why:', () => {
    test('the destination of the rule is not known', async () => {
      const { client } = await start(virtualService('cart', '[{ route: [{ destination: { host: nowhere } }] }]'));
      expect(await client.call()).toMatchObject(refused('UNAVAILABLE', 'NC', /nowhere/));
    });

    test('the subset has no endpoints', async () => {
      const subset = destinationRule('cart', 'subsets: [{ name: empty, labels: { version: none } }]');
      const to = virtualService('cart', '[{ route: [{ destination: { host: cart, subset: empty } }] }]');
      const { client } = await start(subset + to);
      expect(await client.call()).toMatchObject(refused('UNAVAILABLE', 'UH', /empty/));
    });

    test('the service is not known, or nothing of it is reached', async () => {
      const dead = { version: 'v1', port: await unusedPort() };
      const { mesh } = await start(grpcService('dead', [dead]));
      const call = (host: string) => new GrpcClient(mesh.outboundPort, `${host}:${grpcPort}`).call();
      expect(await call('unknown')).toMatchObject(refused('UNIMPLEMENTED', 'NR', /route/));
      expect(await call('dead')).toMatchObject(refused('UNAVAILABLE', 'UF', new RegExp(`:${dead.port}\\b`)));
    });

    test('a RateLimit is exhausted', async () => {
      const limit = `
---
apiVersion: networking.heddle.dev/v1alpha1
kind: RateLimit
metadata: { name: cart, namespace: default }
spec: { host: cart, requests: 3, interval: 60s }
`;
      const { client } = await start(limit);
      expect(await client.share(3)).toEqual({ 'cart-v1': 3 });
      const answer = await client.call();
      expect(answer).toMatchObject(refused('UNAVAILABLE', 'RL', /rate/));
      expect(answer.trailers).toMatchObject({ 'x-ratelimit-limit': '3', 'x-ratelimit-remaining': '0' });
    });

    test('the rule answers itself', async () => {
      const answer = 'directResponse: { status: 403, body: { string: not at night } }';
      const { client } = await start(virtualService('cart', `[{ ${answer} }]`));
      expect(await client.call()).toMatchObject({ status: 'PERMISSION_DENIED', details: 'not at night' });
    });
  });
});

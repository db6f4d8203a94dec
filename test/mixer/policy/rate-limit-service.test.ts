import { Client, credentials } from '@grpc/grpc-js';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { MixerServer } from '../../../mixer/server.ts';
import { decode, encode } from '../../../proxy/api/protojson.ts';
import { rateLimitService } from '../../../proxy/api/rate-limit-service.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { startMixer } from '../../support/quota-mesh.ts';

const { path, requestSerialize, responseDeserialize } = rateLimitService.shouldRateLimit;

async function mixer(clock: ManualClock): Promise<MixerServer> {
  const server = await startMixer(clock);
  onTestFinished(() => server.close());
  return server;
}

/** What a real Envoy would be told; the code of the error when it is refused. */
function ask({ grpcPort }: MixerServer, bytes: Uint8Array): Promise<string> {
  const client = new Client(`127.0.0.1:${grpcPort}`, credentials.createInsecure());
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, bytes, (error, answer) => {
      client.close();
      const response =
        answer === undefined ? undefined : decode('envoy.service.ratelimit.v3.RateLimitResponse', answer);
      resolve(error?.message ?? response?.value?.overall_code ?? 'nothing');
    });
  });
}

function request(limits: readonly Record<string, string>[], more: object = {}): Uint8Array {
  return encode('envoy.service.ratelimit.v3.RateLimitRequest', {
    domain: 'heddle',
    descriptors: limits.map((limit) => ({ entries: Object.entries(limit).map(([key, value]) => ({ key, value })) })),
    ...more,
  });
}

const limit = (text: string, name = 'default/limit'): Record<string, string> => ({ rate_limit: name, limit: text });

describe('the rate limit service for strangers', () => {
  test('lets a limit pass and no more, and again what comes back with the time', async () => {
    const clock = new ManualClock();
    const server = await mixer(clock);
    const asked = request([limit('3/3000ms/3')]);
    const answers: string[] = [];
    for (let i = 0; i < 5; i += 1) answers.push(await ask(server, asked));
    expect(answers).toEqual(['OK', 'OK', 'OK', 'OVER_LIMIT', 'OVER_LIMIT']);
    clock.advance(1_000);
    expect([await ask(server, asked), await ask(server, asked)]).toEqual(['OK', 'OVER_LIMIT']);
  });

  test('takes nothing from a limit when another refuses the request', async () => {
    const server = await mixer(new ManualClock());
    const wide = limit('2/3600000ms/2', 'default/wide');
    const narrow = limit('1/3600000ms/1', 'default/narrow');
    expect(await ask(server, request([wide, narrow]))).toBe('OK');
    expect(await ask(server, request([wide, narrow]))).toBe('OVER_LIMIT');
    expect(await ask(server, request([wide]))).toBe('OK');
    expect(await ask(server, request([wide]))).toBe('OVER_LIMIT');
  });

  test('only counts a limit in SHADOW mode, which keeps no other from passing', async () => {
    const server = await mixer(new ManualClock());
    const shadow = { ...limit('1/3600000ms/1'), mode: 'SHADOW' };
    const real = limit('2/3600000ms/2', 'default/real');
    const answers: string[] = [];
    for (let i = 0; i < 3; i += 1) answers.push(await ask(server, request([shadow, real])));
    expect(answers).toEqual(['OK', 'OK', 'OVER_LIMIT']);
  });

  test('counts a request for as many as it says', async () => {
    const server = await mixer(new ManualClock());
    expect(await ask(server, request([limit('5/3600000ms/5')], { hits_addend: 4 }))).toBe('OK');
    expect(await ask(server, request([limit('5/3600000ms/5')], { hits_addend: 2 }))).toBe('OVER_LIMIT');
    expect(await ask(server, request([limit('5/3600000ms/5')]))).toBe('OK');
  });

  test.each([
    ['another domain', request([limit('1/1000ms/1')], { domain: 'other' })],
    ['no message', Buffer.from([0xff, 0xff])],
    ['too many descriptors', request(Array.from({ length: 101 }, () => limit('1/1000ms/1')))],
    ['more than anybody serves at once', request([limit('1/1000ms/1')], { hits_addend: 4_000_000_000 })],
  ])('refuses %s', async (_, bytes) => {
    expect(await ask(await mixer(new ManualClock()), bytes)).toContain('INVALID_ARGUMENT');
  });

  test('lets a descriptor pass that is no limit, and counts it', async () => {
    const server = await mixer(new ManualClock());
    expect(await ask(server, request([limit('NaN/1000ms/1'), { other: 'key' }]))).toBe('OK');
    const page = await (await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`)).text();
    expect(page).toContain('heddle_mixer_rejected_total{reason="quota_bucket"} 2');
  });
});

import { describe, expect, test } from 'vitest';
import { type Behaviour, type SimulatedWorkload } from './simulated-workload.ts';
import { Simulation } from './simulation.ts';
import { destinationRule, virtualService } from './yaml.ts';

const toReviews = (rest: string): string =>
  virtualService('reviews', `[{ ${rest}, route: [{ destination: { host: reviews } }] }]`);
const roundRobin = (rest = ''): string =>
  destinationRule('reviews', `trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN }${rest} }`);
const reviews = (...behaviours: readonly Behaviour[]): SimulatedWorkload[] =>
  behaviours.map((behaviour) => ({ service: 'reviews', behaviour }));

describe('S21: the timeout of gRPC', () => {
  const grpc = { host: 'reviews', method: 'POST' };
  const headers = { 'content-type': 'application/grpc', 'content-length': '0' };

  test('is what the caller asks for, and no more than the route allows', async () => {
    const mesh = await Simulation.start({ yaml: toReviews('timeout: 2s'), workloads: reviews('is silent') });
    const timeOf = (timeout: string): number =>
      mesh.call({ ...grpc, headers: { ...headers, 'grpc-timeout': timeout } }).durationMs;
    expect(timeOf('300m')).toBeLessThan(400);
    expect(timeOf('1S')).toBeLessThan(1_100);
    const capped = timeOf('9S');
    expect(capped).toBeGreaterThanOrEqual(2_000);
    expect(capped).toBeLessThan(2_100);
  });

  test('is honoured where no rule gives a timeout, and for gRPC only', async () => {
    const mesh = await Simulation.start({ workloads: reviews('is silent') });
    const asked = { ...headers, 'grpc-timeout': '500m' };
    expect(mesh.call({ ...grpc, headers: asked })).toMatchObject({ status: 200, flag: 'UT' });
    expect(() => mesh.call({ ...grpc, headers: { ...asked, 'content-type': 'text/plain' } })).toThrow(/nobody answers/);
  });
});

describe('S22: the default retry', () => {
  test('passes over the hosts that failed, however many attempts choosing takes', async () => {
    const mesh = await Simulation.start({ yaml: roundRobin(), workloads: reviews('refuses', 'refuses', 'answers') });
    for (let i = 0; i < 20; i++) {
      const { status, attempts } = mesh.call({ host: 'reviews' });
      expect(status).toBe(200);
      expect(new Set(attempts).size).toBe(attempts.length);
    }
  });

  test('tells the upstream the number of the attempt', async () => {
    const mesh = await Simulation.start({ yaml: roundRobin(), workloads: reviews('refuses', 'answers') });
    for (let i = 0; i < 4; i++) {
      const { attempts, upstreamHeaders } = mesh.call({ host: 'reviews' });
      expect(upstreamHeaders['x-envoy-attempt-count']).toBe(String(attempts.length));
    }
  });
});

describe('B1: the default retry', () => {
  test.each(['GET', 'POST', 'PATCH'])('repeats %s that reached no application', async (method) => {
    const mesh = await Simulation.start({ yaml: roundRobin(), workloads: reviews('refuses', 'answers') });
    for (let i = 0; i < 4; i++) {
      expect(mesh.call({ host: 'reviews', method, headers: { 'content-length': '0' } }).status).toBe(200);
    }
  });

  test.each(['', 'retries: { attempts: 3, perTryTimeout: 1s }, '])(
    'never repeats what an application may have seen (%s)',
    async (retries) => {
      const yaml = virtualService(
        'reviews',
        `[{ ${retries}timeout: 5s, route: [{ destination: { host: reviews } }] }]`,
      );
      const mesh = await Simulation.start({ yaml, workloads: reviews('is silent', 'is silent') });
      const { attempts, status } = mesh.call({ host: 'reviews', method: 'POST', headers: { 'content-length': '0' } });
      expect(status).toBe(504);
      expect(attempts).toHaveLength(1);
    },
  );
});

describe('S23: the retries of a rule', () => {
  test('with 0 attempts are off', async () => {
    const mesh = await Simulation.start({ yaml: toReviews('retries: { attempts: 0 }'), workloads: reviews('refuses') });
    expect(mesh.call({ host: 'reviews' })).toMatchObject({ status: 503, flag: 'UF' });
    expect(mesh.call({ host: 'reviews' }).attempts).toHaveLength(1);
  });

  test('are as many as it says beside the first attempt', async () => {
    const mesh = await Simulation.start({ yaml: toReviews('retries: { attempts: 4 }'), workloads: reviews('refuses') });
    expect(mesh.call({ host: 'reviews' })).toMatchObject({ status: 503, flag: 'UF,URX' });
    expect(mesh.call({ host: 'reviews' }).attempts).toHaveLength(5);
  });

  test('a status among the conditions is not met by a failure of the proxy', async () => {
    const silent = reviews('is silent');
    const retries = (retryOn: string): string =>
      toReviews(`retries: { attempts: 2, perTryTimeout: 100ms, retryOn: "${retryOn}" }`);
    const byStatus = await Simulation.start({ yaml: retries('504'), workloads: silent });
    expect(byStatus.call({ host: 'reviews' }).attempts).toHaveLength(1);
    const byReset = await Simulation.start({ yaml: retries('reset'), workloads: silent });
    expect(byReset.call({ host: 'reviews' })).toMatchObject({ flag: 'UT,URX' });
    expect(byReset.call({ host: 'reviews' }).attempts).toHaveLength(3);
  });

  test('the time of one attempt is announced upstream', async () => {
    const yaml = toReviews('timeout: 3s, retries: { attempts: 1, perTryTimeout: 1s }');
    const mesh = await Simulation.start({ yaml, workloads: reviews('answers') });
    expect(mesh.call({ host: 'reviews' }).upstreamHeaders['x-envoy-expected-rq-timeout-ms']).toBe('1000');
  });
});

describe('S24: the back-off between retries', () => {
  test('of 25 ms grows to 250 ms at most: five retries take less than a second', async () => {
    const mesh = await Simulation.start({ yaml: toReviews('retries: { attempts: 5 }'), workloads: reviews('refuses') });
    for (let i = 0; i < 20; i++)
      expect(mesh.call({ host: 'reviews' }).durationMs).toBeLessThan(24 + 74 + 174 + 2 * 250 + 5 * 25);
  });

  test('is as long as the rule says', async () => {
    const yaml = toReviews('retries: { attempts: 3, backoff: 2s }');
    const mesh = await Simulation.start({ yaml, workloads: reviews('refuses') });
    const times = Array.from({ length: 10 }, () => mesh.call({ host: 'reviews' }).durationMs);
    expect(Math.max(...times)).toBeGreaterThan(4_000);
  });
});

describe('B2: the retry budget', () => {
  test('of nothing allows no retry: flag URX', async () => {
    const yaml = destinationRule(
      'reviews',
      'trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN }, retryBudget: { percent: 0, minRetryConcurrency: 0 } }',
    );
    const mesh = await Simulation.start({ yaml, workloads: reviews('refuses') });
    const { flag, attempts } = mesh.call({ host: 'reviews' });
    expect(flag).toBe('UF,URX');
    expect(attempts).toHaveLength(1);
  });

  test('by default lets one request of its own be retried', async () => {
    const mesh = await Simulation.start({ yaml: roundRobin(), workloads: reviews('refuses', 'answers') });
    expect(mesh.share(20, { host: 'reviews' })).toEqual({ v1: 20 });
  });
});

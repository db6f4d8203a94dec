import { describe, expect, test } from 'vitest';
import { Simulation } from './simulation.ts';
import { virtualService } from './yaml.ts';

async function withFault(fault: string, rest = ''): Promise<Simulation> {
  const rules = virtualService('reviews', `[{ fault: ${fault}, ${rest}route: [{ destination: { host: reviews } }] }]`);
  return Simulation.start({ yaml: rules, workloads: [{ service: 'reviews' }] });
}

describe('S25: injected faults', () => {
  test('without a percentage nothing is injected', async () => {
    const mesh = await withFault('{ delay: { fixedDelay: 5s }, abort: { httpStatus: 500 } }');
    expect(mesh.share(200, { host: 'reviews' })).toEqual({ v1: 200 });
    expect(mesh.call({ host: 'reviews' }).durationMs).toBeLessThan(100);
  });

  test('an abort answers its share of the requests with its status and flag FI, and nothing reaches the workload', async () => {
    const mesh = await withFault('{ abort: { httpStatus: 418, percentage: { value: 30 } } }');
    const landings = Array.from({ length: 2_000 }, () => mesh.call({ host: 'reviews' }));
    const aborted = landings.filter(({ flag }) => flag === 'FI');
    expect(aborted.length).toBeGreaterThan(540);
    expect(aborted.length).toBeLessThan(660);
    for (const { status, attempts } of aborted) expect({ status, attempts }).toEqual({ status: 418, attempts: [] });
    for (const { status } of landings.filter(({ flag }) => flag !== 'FI')) expect(status).toBe(200);
  });

  test('a percentage is exact to 0.0001 %', async () => {
    const mesh = await withFault('{ abort: { httpStatus: 500, percentage: { value: 0.0001 } } }');
    expect(mesh.share(5_000, { host: 'reviews' })).toEqual({ v1: 5_000 });
    await mesh.apply(
      virtualService(
        'reviews',
        '[{ fault: { abort: { httpStatus: 500, percentage: { value: 99.9999 } } }, route: [{ destination: { host: reviews } }] }]',
      ),
    );
    expect(mesh.share(5_000, { host: 'reviews' })).toEqual({ FI: 5_000 });
  });

  test('a delay holds the request back, which is then answered as ever, with flag DI', async () => {
    const mesh = await withFault('{ delay: { fixedDelay: 2s, percentage: { value: 100 } } }');
    const { status, flag, version, durationMs } = mesh.call({ host: 'reviews' });
    expect({ status, flag, version }).toEqual({ status: 200, flag: 'DI', version: 'v1' });
    expect(durationMs).toBeGreaterThanOrEqual(2_000);
    expect(durationMs).toBeLessThan(2_100);
  });

  test('the older percent of a delay counts where no percentage is given', async () => {
    const mesh = await withFault('{ delay: { fixedDelay: 1s, percent: 100 } }');
    expect(mesh.call({ host: 'reviews' }).flag).toBe('DI');
  });

  test('delay and abort are drawn independently, and both may happen to one request', async () => {
    const half = 'percentage: { value: 50 }';
    const mesh = await withFault(`{ delay: { fixedDelay: 1s, ${half} }, abort: { httpStatus: 503, ${half} } }`);
    const shares: Record<string, number> = {};
    for (let i = 0; i < 1_000; i++) {
      const { flag, durationMs } = mesh.call({ host: 'reviews' });
      shares[flag] = (shares[flag] ?? 0) + 1;
      expect(durationMs >= 1_000).toBe(flag.startsWith('DI'));
    }
    expect(Object.keys(shares).sort()).toEqual(['-', 'DI', 'DI,FI', 'FI']);
    for (const share of Object.values(shares)) expect(share).toBeGreaterThan(200);
  });

  test.each([
    ['UNAVAILABLE', 503],
    ['NOT_FOUND', 404],
    ['RESOURCE_EXHAUSTED', 429],
  ])('the gRPC status %s is named, and is %i for whoever does not speak gRPC', async (grpcStatus, status) => {
    const mesh = await withFault(`{ abort: { grpcStatus: ${grpcStatus}, percentage: { value: 100 } } }`);
    expect(mesh.call({ host: 'reviews' })).toMatchObject({ status, flag: 'FI' });
  });

  test('a gRPC client gets the gRPC status in a response without messages', async () => {
    const mesh = await withFault('{ abort: { grpcStatus: UNAVAILABLE, percentage: { value: 100 } } }');
    const landing = mesh.call({
      host: 'reviews',
      method: 'POST',
      headers: { 'content-type': 'application/grpc+proto' },
    });
    expect(landing).toMatchObject({
      status: 200,
      flag: 'FI',
      responseHeaders: {
        'content-type': 'application/grpc',
        'grpc-status': '14',
        'grpc-message': 'fault filter abort',
      },
    });
  });

  test('the timeout of the route does not count while a request is delayed, and an abort is not retried', async () => {
    const mesh = await withFault('{ delay: { fixedDelay: 3s, percentage: { value: 100 } } }', 'timeout: 1s, ');
    expect(mesh.call({ host: 'reviews' })).toMatchObject({ status: 200, flag: 'DI' });
  });

  test('a fault of one rule leaves the requests of the others alone', async () => {
    const rules = virtualService(
      'reviews',
      `
  - match: [{ headers: { end-user: { exact: jason } } }]
    fault: { abort: { httpStatus: 500, percentage: { value: 100 } } }
    route: [{ destination: { host: reviews } }]
  - route: [{ destination: { host: reviews } }]`,
    );
    const mesh = await Simulation.start({ yaml: rules, workloads: [{ service: 'reviews' }] });
    expect(mesh.call({ host: 'reviews', headers: { 'end-user': 'jason' } }).flag).toBe('FI');
    expect(mesh.call({ host: 'reviews' }).flag).toBe('-');
  });
});

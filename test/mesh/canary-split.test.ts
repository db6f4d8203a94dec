import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, fetchText, Mesh, type RunningSidecar } from '../support/mesh.ts';
import { sumRequests } from '../support/request-counts.ts';
import { type Client, countVersions, failuresOf } from '../support/traffic.ts';

describe('a canary release at 95/5', () => {
  let mesh: Mesh;
  let caller: RunningSidecar;
  let client: Client;

  beforeAll(async () => {
    mesh = await Mesh.create();
    await mesh.startControlPlane();
    await Promise.all(['v1', 'v2'].map((version) => mesh.startSidecar({ service: 'ftgo-consumer-service', version })));
    caller = await mesh.startSidecar({ service: 'ftgo-order-service', hasApplication: false });
    await mesh.applyExample('destination-rule.yaml', 'virtual-service.yaml');
    client = mesh.connect(caller, 'ftgo-consumer-service', { connections: 16 });
    await eventually(async () => ((await client.call({ testuser: 'probe' })).version === 'v2' ? true : undefined));
  });

  afterAll(() => mesh.close());

  // Chance alone leads out of these bounds in one of 170,000 runs.
  test('20,000 requests reach v2 with a share within [4.3 %, 5.7 %] and none fails', async () => {
    const calls = await client.callMany(20_000);
    expect(failuresOf(calls)).toEqual([]);
    const { v1 = 0, v2 = 0 } = countVersions(calls);
    expect(v1 + v2).toBe(20_000);
    expect(v2).toBeGreaterThanOrEqual(860);
    expect(v2).toBeLessThanOrEqual(1_140);
  });

  test('every request with a testuser header reaches v2', async () => {
    const calls = await client.callMany(2000, 16, { testuser: 'alice' });
    expect(failuresOf(calls)).toEqual([]);
    expect(countVersions(calls)).toEqual({ v2: 2000 });
  });

  test('the empty testuser header is no test user: the regex asks for one character', async () => {
    const calls = await client.callMany(400, 16, { testuser: '' });
    expect(failuresOf(calls)).toEqual([]);
    expect(countVersions(calls)['v1'] ?? 0).toBeGreaterThan(300);
  });

  test('the mixer hears of every request from both reporters, by version', async () => {
    const readCounts = (page: string) => ({
      source: sumRequests(page, { reporter: 'source', destination_service_name: 'ftgo-consumer-service' }),
      destination: sumRequests(page, { reporter: 'destination', destination_service_name: 'ftgo-consumer-service' }),
    });
    const own = sumRequests(await fetchText(`${caller.adminUrl}/stats/prometheus`), { reporter: 'source' });
    expect(own).toBeGreaterThanOrEqual(22_400);
    await eventually(async () => {
      const { source, destination } = readCounts(await fetchText(mesh.metricsUrl));
      expect({ source, destination }).toEqual({ source: own, destination: own });
      return true;
    });
    const page = await fetchText(mesh.metricsUrl);
    const countVersion = (version: string): number =>
      sumRequests(page, { reporter: 'source', destination_version: version });
    expect(countVersion('v1')).toBeGreaterThan(18_500);
    expect(countVersion('v2')).toBeGreaterThan(2860);
    expect(countVersion('v1') + countVersion('v2')).toBe(own);
  });
});

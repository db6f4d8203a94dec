import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Health } from '../../../proxy/api/health.ts';
import { serviceYaml } from '../networking/scenario.ts';
import { ControlPlane, turn } from './control-plane.ts';
import { addressesIn, type FakeSidecar } from './fake-sidecar.ts';

const reviews = 'outbound|80||reviews.default.svc.cluster.local';
const probed = { address: '10.0.0.7', readinessProbe: { tcpPort: 8080 } };
const there = { [reviews]: ['10.0.0.7:15006'] };
const gone = { [reviews]: [] };
const healthy: Health = { kind: 'healthy' };
const unhealthy: Health = { kind: 'unhealthy', reason: 'nobody listens' };

let controlPlane: ControlPlane;
let caller: FakeSidecar;

beforeEach(async () => {
  controlPlane = await ControlPlane.start(serviceYaml('reviews'));
  caller = await controlPlane.connectClient();
});

afterEach(() => controlPlane.close());

/** That the caller has heard nothing of what `sidecar` did. */
async function expectSilence(sidecar: FakeSidecar): Promise<void> {
  await sidecar.barrier();
  await turn();
  await caller.barrier();
  expect(caller.pending.map(addressesIn)).toEqual([]);
}

const workloadOf = (proxy: string) =>
  controlPlane.discovery.syncStatus().find((status) => status.proxy === proxy)?.workload;

describe('a sidecar that announces a readiness probe', () => {
  test('is in rotation from its first healthy report on, not from its listeners on', async () => {
    const sidecar = await controlPlane.connectSynced(probed);
    controlPlane.clock.advance(10_000);
    await expectSilence(sidecar);
    expect(workloadOf('reviews-v1-1.default')).toEqual({ status: 'WAITING' });
    sidecar.reportHealth(healthy);
    expect(addressesIn(await caller.next('EDS'))).toEqual(there);
    expect(workloadOf('reviews-v1-1.default')).toEqual({ status: 'IN ROTATION' });
  });

  test('is not in rotation after an unhealthy report, and is again after a healthy one', async () => {
    const sidecar = await controlPlane.connectSynced(probed);
    sidecar.reportHealth(unhealthy);
    await expectSilence(sidecar);
    expect(workloadOf('reviews-v1-1.default')).toEqual({ status: 'UNHEALTHY', reason: 'nobody listens' });
    sidecar.reportHealth(healthy);
    expect(addressesIn(await caller.next('EDS'))).toEqual(there);
    sidecar.reportHealth(unhealthy);
    expect(addressesIn(await caller.next('EDS'))).toEqual(gone);
    sidecar.reportHealth(healthy);
    expect(addressesIn(await caller.next('EDS'))).toEqual(there);
  });

  test('a report that says the same again changes nothing', async () => {
    const sidecar = await controlPlane.connectSynced(probed);
    sidecar.reportHealth(healthy);
    await caller.accept('EDS');
    sidecar.reportHealth(healthy);
    await expectSilence(sidecar);
  });

  test('a report gets no response', async () => {
    const sidecar = await controlPlane.connectSynced(probed);
    for (const health of [unhealthy, healthy, unhealthy]) sidecar.reportHealth(health);
    await sidecar.barrier();
    expect(sidecar.pending.filter(({ type }) => type !== 'EDS')).toEqual([]);
  });

  test('the end of its stream takes it out, whatever it reported', async () => {
    const sidecar = await controlPlane.connectSynced(probed);
    sidecar.reportHealth(healthy);
    await caller.next('EDS');
    sidecar.close();
    expect(addressesIn(await caller.next('EDS'))).toEqual(gone);
  });

  test('a report may be the first request of a stream', async () => {
    controlPlane.connect(probed).reportHealth(healthy);
    expect(addressesIn(await caller.next('EDS'))).toEqual(there);
  });

  test('of two streams the newer word counts, and the end of the older removes nothing', async () => {
    const older = await controlPlane.connectSynced(probed);
    older.reportHealth(healthy);
    await caller.next('EDS');
    const newer = await controlPlane.connectSynced(probed);
    newer.reportHealth(unhealthy);
    expect(addressesIn(await caller.next('EDS'))).toEqual(gone);
    newer.reportHealth(healthy);
    expect(addressesIn(await caller.accept('EDS'))).toEqual(there);
    older.close();
    await older.ended;
    await expectSilence(newer);
  });
});

describe('a workload that an earlier pilot knew', () => {
  beforeEach(async () => {
    const sidecar = await controlPlane.connectSynced(probed);
    sidecar.reportHealth(healthy);
    await caller.accept('EDS');
    const known = controlPlane.registry.entries();
    await controlPlane.close();

    controlPlane = await ControlPlane.start(serviceYaml('reviews'));
    controlPlane.registry.restore(known, 30_000);
    expect(controlPlane.registry.workloads()).toHaveLength(1);
    await turn();
    caller = await controlPlane.connectClient();
  });

  test('stays in rotation while its sidecar comes back and repeats its report', async () => {
    const sidecar = await controlPlane.connectSynced(probed);
    await expectSilence(sidecar);
    sidecar.reportHealth(healthy);
    await expectSilence(sidecar);
    controlPlane.clock.advance(30_000);
    await expectSilence(sidecar);
    sidecar.close();
    expect(addressesIn(await caller.next('EDS'))).toEqual(gone);
  });

  test('leaves it at once when its sidecar reports that it is not ready', async () => {
    (await controlPlane.connectSynced(probed)).reportHealth(unhealthy);
    expect(addressesIn(await caller.next('EDS'))).toEqual(gone);
  });

  test('leaves it after the grace when its sidecar is back but reports nothing', async () => {
    const sidecar = await controlPlane.connectSynced(probed);
    controlPlane.clock.advance(29_999);
    await expectSilence(sidecar);
    controlPlane.clock.advance(1);
    expect(addressesIn(await caller.next('EDS'))).toEqual(gone);
  });
});

describe('others', () => {
  test('a plain Envoy announces nothing and is in rotation when it has its listeners', async () => {
    await controlPlane.connectSynced({ address: '10.0.0.7' });
    expect(addressesIn(await caller.next('EDS'))).toEqual(there);
  });

  test('one that reports without having announced it is believed', async () => {
    const sidecar = controlPlane.connect({ address: '10.0.0.7' });
    sidecar.isAccepting = true;
    sidecar.reportHealth(unhealthy);
    sidecar.subscribe('LDS');
    await sidecar.next('LDS');
    controlPlane.clock.advance(10_000);
    await expectSilence(sidecar);
    sidecar.reportHealth(healthy);
    expect(addressesIn(await caller.next('EDS'))).toEqual(there);
  });

  test('a probe that only another agent can make is an announcement too', async () => {
    const sidecar = await controlPlane.connectSynced({ address: '10.0.0.7', readinessProbe: { tcpPort: undefined } });
    await expectSilence(sidecar);
    sidecar.reportHealth(healthy);
    expect(addressesIn(await caller.next('EDS'))).toEqual(there);
  });

  test('a pure client serves nothing, healthy or not', async () => {
    caller.reportHealth(healthy);
    await expectSilence(caller);
    expect(workloadOf('client.default')).toEqual({ status: 'CLIENT' });
    caller.reportHealth(unhealthy);
    await expectSilence(caller);
  });
});

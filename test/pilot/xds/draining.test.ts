import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isWithdrawal } from '../../../proxy/api/health.ts';
import { serviceYaml } from '../networking/scenario.ts';
import { ControlPlane, turn } from './control-plane.ts';
import { addressesIn, clusterNames, type FakeSidecar, type Received } from './fake-sidecar.ts';

const reviews = 'outbound|80||reviews.default.svc.cluster.local';
const there = { [reviews]: ['10.0.0.7:15006'] };
const gone = { [reviews]: [] };

let controlPlane: ControlPlane;
let caller: FakeSidecar;
let sidecar: FakeSidecar;

beforeEach(async () => {
  controlPlane = await ControlPlane.start(serviceYaml('reviews'));
  caller = await controlPlane.connectClient();
  caller.isAccepting = false;
  sidecar = await controlPlane.connectSynced({ address: '10.0.0.7', readinessProbe: { tcpPort: 8080 } });
  sidecar.reportHealth({ kind: 'healthy' });
  expect(addressesIn(await caller.accept('EDS'))).toEqual(there);
  await sidecar.barrier();
  sidecar.takeAll();
});

afterEach(() => controlPlane.close());

const isTold = (): boolean => sidecar.received.some(({ response }) => isWithdrawal(response));

/** Until pilot has handled what `by` sent, and whoever hears of it has heard. */
async function settle(by: FakeSidecar): Promise<void> {
  await by.barrier();
  await turn();
}

/** Whether a sidecar has accepted all that there is for it. */
function hasAll(proxy: string): boolean {
  const types = controlPlane.discovery.syncStatus().find((status) => status.proxy === proxy)?.types;
  return Object.values(types ?? {}).every(({ status }) => status === 'SYNCED');
}

async function untilTold(): Promise<void> {
  while (!isTold()) await turn();
}

describe('B10: a sidecar that drains', () => {
  test('is taken out everywhere, and is told so when the other sidecar has answered, not before', async () => {
    sidecar.reportHealth({ kind: 'draining' });
    const removal = await caller.next('EDS');
    expect(addressesIn(removal)).toEqual(gone);
    await settle(sidecar);
    expect(isTold()).toBe(false);
    expect(controlPlane.registry.workloads()).toEqual([]);
    expect(controlPlane.discovery.syncStatus().map(({ workload }) => workload.status)).toContain('DRAINING');
    caller.ack(removal);
    await untilTold();
  });

  test('waits for the answer to its own removal, not for that to an older response', async () => {
    const second = await controlPlane.connectSynced({ address: '10.0.0.8', name: 'reviews-v1-2' });
    const older = await caller.next('EDS');
    expect(addressesIn(older)[reviews]).toHaveLength(2);
    sidecar.reportHealth({ kind: 'draining' });
    await settle(sidecar);
    caller.ack(older);
    const removal = await caller.next('EDS');
    expect(addressesIn(removal)).toEqual({ [reviews]: ['10.0.0.8:15006'] });
    await settle(second);
    expect(isTold()).toBe(false);
    caller.ack(removal);
    await untilTold();
  });

  test('does not wait for what is pushed after its removal', async () => {
    sidecar.reportHealth({ kind: 'draining' });
    const removal = await caller.next('EDS');
    await controlPlane.connectSynced({ address: '10.0.0.9', name: 'reviews-v1-3' });
    caller.ack(removal);
    await untilTold();
    expect(addressesIn(await caller.next('EDS'))).toEqual({ [reviews]: ['10.0.0.9:15006'] });
  });

  test('a sidecar that refuses the removal has answered too', async () => {
    sidecar.reportHealth({ kind: 'draining' });
    caller.nack(await caller.next('EDS'), 'no');
    await untilTold();
  });

  test('a sidecar that goes away needs not answer', async () => {
    sidecar.reportHealth({ kind: 'draining' });
    await caller.next('EDS');
    caller.close();
    await untilTold();
  });

  test('that nobody knew, or that is alone, is told at once', async () => {
    caller.close();
    await caller.ended;
    sidecar.reportHealth({ kind: 'draining' });
    await untilTold();
    const client = controlPlane.connect({ name: 'other', appPort: 0, inboundPort: 0 });
    client.reportHealth({ kind: 'draining' });
    while (!client.received.some(({ response }) => isWithdrawal(response))) await turn();
  });

  test('the last one of a service that nobody declared takes the route along: the answer to that is waited for', async () => {
    const probed = { address: '10.0.0.5', readinessProbe: { tcpPort: 8080 } };
    const only = await controlPlane.connectSynced({ ...probed, name: 'shop-1', service: 'shop' });
    caller.isAccepting = true;
    only.reportHealth({ kind: 'healthy' });
    const hasShop = (received: Received): boolean =>
      received.type === 'CDS' && clusterNames(received).some((name) => name.includes('shop'));
    while (!caller.received.some(hasShop)) await turn();
    // None of them asks for the endpoints: pilot waits for that a while before it sends the routes.
    while (!['client', 'shop-1', 'reviews-v1-1'].every((name) => hasAll(`${name}.default`))) {
      controlPlane.clock.advance(1_000);
      await turn();
    }
    await caller.barrier();
    caller.takeAll();
    caller.isAccepting = false;
    only.reportHealth({ kind: 'draining' });
    const told = (): boolean => only.received.some(({ response }) => isWithdrawal(response));
    const routes = await caller.next('RDS');
    await turn();
    expect(told()).toBe(false);
    caller.ack(routes);
    while (!told()) await turn();
  });

  test('stays out when it comes back on another stream and says so again', async () => {
    sidecar.reportHealth({ kind: 'draining' });
    caller.ack(await caller.next('EDS'));
    await untilTold();
    sidecar.close();
    await sidecar.ended;
    const again = await controlPlane.connectSynced({ address: '10.0.0.7' });
    again.reportHealth({ kind: 'draining' });
    await settle(again);
    controlPlane.clock.advance(10_000);
    await turn();
    expect(controlPlane.registry.workloads()).toEqual([]);
  });
});

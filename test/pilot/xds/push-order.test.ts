import { afterEach, describe, expect, test } from 'vitest';
import { destinationRuleYaml, serviceYaml, virtualServiceYaml } from '../networking/scenario.ts';
import { ControlPlane, outboundNames, turn } from './control-plane.ts';
import { addressesIn, clusterNames, type FakeSidecar, resourcesIn } from './fake-sidecar.ts';

const v1 = 'outbound|80|v1|reviews.default.svc.cluster.local';
const v2 = 'outbound|80|v2|reviews.default.svc.cluster.local';
const toSubset = (subset: string): string =>
  virtualServiceYaml(`[{ route: [{ destination: { host: reviews, subset: ${subset} } }] }]`);
const subsets = (...names: string[]): string =>
  destinationRuleYaml(
    `{ host: reviews, subsets: [${names.map((name) => `{ name: ${name}, labels: { version: ${name} } }`).join()}] }`,
  );

let controlPlane: ControlPlane;
let sidecar: FakeSidecar;

/** A sidecar with routes to v1, which from here on accepts only what the test accepts. */
async function connectWithRoutesToV1(): Promise<void> {
  controlPlane = await ControlPlane.start(serviceYaml('reviews') + subsets('v1') + toSubset('v1'));
  sidecar = await controlPlane.connectClient();
  sidecar.isAccepting = false;
}

/** After the requests sent so far, the types of what arrived and was not looked at yet. */
async function pendingTypes(): Promise<string[]> {
  await turn();
  await sidecar.barrier();
  return sidecar.pending.map(({ type }) => type);
}

afterEach(() => controlPlane.close());

describe('make before break', () => {
  test('a new subset and a route to it: cluster, endpoints, then the route, each after the one before is accepted', async () => {
    await connectWithRoutesToV1();
    await controlPlane.apply(subsets('v1', 'v2') + toSubset('v2'));
    const clusters = await sidecar.next('CDS');
    expect(outboundNames(clusters)).toContain(v2);
    expect(await pendingTypes()).toEqual([]);

    sidecar.ack(clusters);
    expect(await pendingTypes()).toEqual([]);

    sidecar.subscribe('EDS', ['mixer', ...outboundNames(clusters)]);
    const endpoints = await sidecar.next('EDS');
    expect(Object.keys(addressesIn(endpoints))).toEqual([v2]);
    expect(sidecar.pending).toEqual([]);

    sidecar.ack(endpoints);
    const routes = await sidecar.next('RDS');
    expect(resourcesIn('RDS', routes)[0]?.virtual_hosts?.[0]?.routes?.[0]?.route?.cluster).toBe(v2);
  });

  test('a subset that goes away: the route first, its cluster when the client has accepted that', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('reviews') + subsets('v1', 'v2') + toSubset('v2'));
    sidecar = await controlPlane.connectClient();
    sidecar.isAccepting = false;
    await controlPlane.apply(subsets('v1') + toSubset('v1'));
    const routes = await sidecar.next();
    expect(routes.type).toBe('RDS');
    expect(await pendingTypes()).toEqual([]);

    sidecar.ack(routes);
    const clusters = await sidecar.next('CDS');
    expect(clusterNames(clusters)).toContain(v1);
    expect(clusterNames(clusters)).not.toContain(v2);
  });

  test('one subset for another: the old cluster stays beside the new one until the route has moved', async () => {
    await connectWithRoutesToV1();
    await controlPlane.apply(subsets('v2') + toSubset('v2'));
    const both = await sidecar.accept('CDS');
    expect(clusterNames(both)).toEqual(expect.arrayContaining([v1, v2]));
    sidecar.subscribe('EDS', ['mixer', ...outboundNames(both)]);
    await sidecar.accept('EDS');
    await sidecar.accept('RDS');
    const last = await sidecar.next('CDS');
    expect(clusterNames(last)).toContain(v2);
    expect(clusterNames(last)).not.toContain(v1);
  });

  test('one subset for another: the endpoints of the old one stay as they were until the route has moved', async () => {
    const workload = `
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: a, namespace: default }
spec: { address: 10.0.0.9, labels: { app: reviews, version: v1 } }
`;
    const service = serviceYaml('reviews', { selector: '{ app: reviews }' });
    controlPlane = await ControlPlane.start(service + workload + subsets('v1') + toSubset('v1'));
    sidecar = await controlPlane.connectClient();
    sidecar.isAccepting = false;
    await controlPlane.apply(subsets('v2') + toSubset('v2'));
    const both = await sidecar.accept('CDS');
    sidecar.subscribe('EDS', ['mixer', ...outboundNames(both)]);
    expect(Object.keys(addressesIn(await sidecar.accept('EDS')))).toEqual([v2]);
    expect((await sidecar.accept('RDS')).type).toBe('RDS');
  });

  test('a client that never asks for endpoints gets its routes after a while', async () => {
    await connectWithRoutesToV1();
    await controlPlane.apply(subsets('v1', 'v2') + toSubset('v2'));
    await sidecar.accept('CDS');
    expect(await pendingTypes()).toEqual([]);
    controlPlane.clock.advance(1000);
    expect((await sidecar.next()).type).toBe('RDS');
  });

  test('a changed cluster gets its endpoints again: Envoy warms it like a new one', async () => {
    await connectWithRoutesToV1();
    await controlPlane.apply(
      destinationRuleYaml(
        '{ host: reviews, trafficPolicy: { loadBalancer: { simple: RANDOM } }, subsets: [{ name: v1, labels: { version: v1 } }] }',
      ),
    );
    await sidecar.accept('CDS');
    expect(Object.keys(addressesIn(await sidecar.accept('EDS'))).sort()).toEqual(
      [v1, 'outbound|80||reviews.default.svc.cluster.local'].sort(),
    );
  });
});

describe('coalescing', () => {
  test('changes within one turn are one push', async () => {
    await connectWithRoutesToV1();
    sidecar.isAccepting = true;
    const before = sidecar.received.length;
    const timeouts = ['1s', '2s', '3s'].map((timeout) =>
      virtualServiceYaml(`[{ timeout: ${timeout}, route: [{ destination: { host: reviews, subset: v1 } }] }]`),
    );
    await Promise.all(timeouts.map((yaml) => controlPlane.apply(yaml)));
    const routes = await sidecar.next('RDS');
    expect(resourcesIn('RDS', routes)[0]?.virtual_hosts?.[0]?.routes?.[0]?.route?.timeout).toBe('3s');
    await sidecar.barrier();
    expect(sidecar.received.slice(before).filter(({ type }) => type === 'RDS')).toHaveLength(1);
  });

  test('while a response is under way nothing of its type is sent; then only the latest is', async () => {
    await connectWithRoutesToV1();
    await controlPlane.apply(toSubset('v1').replace('[{ route', '[{ timeout: 1s, route'));
    const first = await sidecar.next('RDS');
    await controlPlane.apply(toSubset('v1').replace('[{ route', '[{ timeout: 2s, route'));
    await controlPlane.apply(toSubset('v1').replace('[{ route', '[{ timeout: 3s, route'));
    expect(await pendingTypes()).toEqual([]);
    sidecar.ack(first);
    const second = await sidecar.next('RDS');
    expect(resourcesIn('RDS', second)[0]?.virtual_hosts?.[0]?.routes?.[0]?.route?.timeout).toBe('3s');
    sidecar.ack(second);
    expect(await pendingTypes()).toEqual([]);
  });

  test('a client that accepts nothing gets no second response, however much changes', async () => {
    await connectWithRoutesToV1();
    await controlPlane.apply(serviceYaml('a'));
    await sidecar.next('CDS');
    for (const name of ['b', 'c', 'd']) await controlPlane.apply(serviceYaml(name));
    expect(await pendingTypes()).toEqual([]);
  });
});

describe('NACK', () => {
  test('is shown with the words of the client; the same content is not sent again, a change is', async () => {
    await connectWithRoutesToV1();
    await controlPlane.apply(toSubset('v1').replace('[{ route', '[{ timeout: 1s, route'));
    const rejected = await sidecar.next('RDS');
    sidecar.nack(rejected, 'timeout: is not to my taste');
    await controlPlane.apply(destinationRuleYaml('{ host: elsewhere.example.com }', { name: 'other' }));
    expect(await pendingTypes()).toEqual([]);
    const [status] = controlPlane.discovery.syncStatus();
    expect(status?.types.RDS).toMatchObject({ status: 'NACK', reason: 'timeout: is not to my taste' });
    expect(status?.types.RDS.sent?.version).toBe(rejected.response.versionInfo);
    expect(status?.types.RDS.acked?.version).not.toBe(rejected.response.versionInfo);

    await controlPlane.apply(toSubset('v1').replace('[{ route', '[{ timeout: 2s, route'));
    sidecar.ack(await sidecar.next('RDS'));
    expect(await pendingTypes()).toEqual([]);
    await expect.poll(() => controlPlane.discovery.syncStatus()[0]?.types.RDS.status).toBe('SYNCED');
  });

  test('of clusters does not hold back the routes of others', async () => {
    await connectWithRoutesToV1();
    await controlPlane.apply(serviceYaml('ratings'));
    sidecar.nack(await sidecar.next('CDS'), 'no more clusters, please');
    expect((await sidecar.next()).type).toBe('RDS');
  });
});

describe('sync status', () => {
  test('tells for each type what was sent and accepted, and when', async () => {
    await connectWithRoutesToV1();
    await expect
      .poll(() => controlPlane.discovery.syncStatus()[0])
      .toMatchObject({
        proxy: 'client.default',
        nodeId: 'sidecar~10.0.0.1~client.default~default.svc.cluster.local',
        connectedAt: '2026-01-31T12:00:00.000Z',
        types: {
          CDS: { status: 'SYNCED' },
          EDS: { status: 'SYNCED' },
          LDS: { status: 'SYNCED' },
          RDS: { status: 'SYNCED' },
        },
      });
    const sent = { version: expect.any(String), at: '2026-01-31T12:00:00.000Z' };
    const routes = controlPlane.discovery.syncStatus()[0]?.types.RDS;
    expect(routes).toEqual({ status: 'SYNCED', sent, acked: routes?.sent });

    controlPlane.clock.advance(5000);
    await controlPlane.apply(toSubset('v2'));
    await sidecar.next('RDS');
    expect(controlPlane.discovery.syncStatus()[0]?.types.RDS).toMatchObject({
      status: 'STALE',
      sent: { at: '2026-01-31T12:00:05.000Z' },
      acked: { at: '2026-01-31T12:00:00.000Z' },
    });
  });

  test('a type that was not asked for was not sent', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('reviews'));
    const client = controlPlane.connect();
    client.subscribe('CDS');
    await client.next('CDS');
    expect(controlPlane.discovery.syncStatus()[0]?.types).toMatchObject({
      CDS: { status: 'STALE' },
      EDS: { status: 'NOT SENT' },
      LDS: { status: 'NOT SENT' },
      RDS: { status: 'NOT SENT' },
    });
  });
});

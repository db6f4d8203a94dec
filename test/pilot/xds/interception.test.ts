import { afterEach, describe, expect, test } from 'vitest';
import type { MeshConfig } from '../../../crds/mesh-config.ts';
import { discover } from '../../../pilot/registry/service-discovery.ts';
import { createGenerators } from '../../../pilot/xds/generators.ts';
import { ResourceEncoder } from '../../../pilot/xds/resource-encoder.ts';
import type { NodeMetadata } from '../../../proxy/api/node.ts';
import { routeNamesOf } from '../networking/interception.ts';
import {
  contextOf,
  metadataOf,
  resourcesOf,
  serviceYaml,
  sidecarWorkload,
  virtualServiceYaml,
} from '../networking/scenario.ts';
import { ControlPlane, outboundNames } from './control-plane.ts';
import { type FakeSidecar, resourcesIn } from './fake-sidecar.ts';

const yaml =
  serviceYaml('reviews', { ports: '[{ name: http, port: 80 }]' }) +
  serviceYaml('db', { ports: '[{ name: tcp, port: 5432 }]' });

const tracing: MeshConfig = {
  extensionProviders: [
    {
      name: 'otel',
      opentelemetry: { service: 'otel.tracing', port: 4318, http: { path: '/v1/traces', timeout: '3s' } },
    },
  ],
  defaultProviders: { tracing: ['otel'] },
};

const nodeOf = (name: string, given: Partial<NodeMetadata> = {}): NodeMetadata =>
  metadataOf({ name, interceptionMode: 'REDIRECT', appPorts: [8080], ...given });

describe('what intercepted nodes share', () => {
  test('all listeners but the inbound one, and all clusters: those of applications at the same ports are the same', () => {
    const encoder = new ResourceEncoder();
    const { LDS, CDS } = createGenerators(encoder, undefined);
    const push = contextOf(yaml);
    const [first, second] = [nodeOf('a'), nodeOf('b', { address: '10.0.0.2' })];
    const listeners = LDS.all(first, push);
    CDS.all(first, push);
    const { encodedTotal } = encoder;
    const others = LDS.all(second, push);
    CDS.all(second, push);
    expect(encoder.encodedTotal - encodedTotal).toBe(1);
    for (const name of ['0.0.0.0_80', 'virtualOutbound']) expect(others.get(name)).toBe(listeners.get(name));
  });

  test('they keep when workloads come and go', () => {
    const encoder = new ResourceEncoder();
    const { LDS } = createGenerators(encoder, undefined);
    const node = nodeOf('a');
    const before = contextOf(yaml);
    const listeners = LDS.all(node, before);
    const { encodedTotal } = encoder;
    expect(LDS.all(node, contextOf(yaml, [sidecarWorkload()], before))).toEqual(listeners);
    expect(encoder.encodedTotal).toBe(encodedTotal);
  });

  test('nothing of their listeners when spans tell about each of them', () => {
    const push = discover({ revision: 1, resources: resourcesOf(yaml), workloads: [], meshConfig: tracing });
    const { LDS } = createGenerators(new ResourceEncoder(), undefined);
    const listeners = LDS.all(nodeOf('a'), push);
    const others = LDS.all(nodeOf('b', { labels: { app: 'other' } }), push);
    expect(others.get('0.0.0.0_80')?.version).not.toBe(listeners.get('0.0.0.0_80')?.version);
  });
});

describe('an intercepted sidecar', () => {
  let controlPlane: ControlPlane;
  afterEach(() => controlPlane.close());

  /** Subscribes to all that the listeners and clusters name. */
  async function connect(): Promise<FakeSidecar> {
    const sidecar = controlPlane.connect(nodeOf('a'));
    sidecar.isAccepting = true;
    sidecar.subscribe('CDS');
    sidecar.subscribe('EDS', outboundNames(await sidecar.next('CDS')));
    await sidecar.next('EDS');
    sidecar.subscribe('LDS');
    sidecar.subscribe('RDS', routeNamesOf(resourcesIn('LDS', await sidecar.next('LDS'))));
    await sidecar.next('RDS');
    await sidecar.barrier();
    sidecar.takeAll();
    return sidecar;
  }

  test('is told of a rule for requests by its routes alone: no listener changes', async () => {
    controlPlane = await ControlPlane.start(yaml);
    const sidecar = await connect();
    await controlPlane.apply(virtualServiceYaml('[{ name: new, route: [{ destination: { host: reviews } }] }]'));
    const received = await sidecar.next();
    expect(resourcesIn('RDS', received).map(({ name }) => name)).toEqual(['80']);
    await sidecar.barrier();
    expect(sidecar.pending.filter(({ type }) => type !== 'EDS')).toEqual([]);
  });

  test('is told of a new service cluster first, listener then', async () => {
    controlPlane = await ControlPlane.start(yaml);
    const sidecar = await connect();
    await controlPlane.apply(serviceYaml('cache', { ports: '[{ name: redis, port: 6379 }]' }));
    const clusters = await sidecar.next('CDS');
    expect(outboundNames(clusters)).toContain('outbound|6379||cache.default.svc.cluster.local');
    expect(sidecar.received.filter(({ type }) => type === 'LDS')).toHaveLength(1);
    sidecar.subscribe('EDS', outboundNames(clusters));
    const listeners = resourcesIn('LDS', await sidecar.next('LDS'));
    expect(listeners.map(({ name = '' }) => name).filter((name) => name.endsWith('_6379'))).toHaveLength(1);
  });

  test('is told of a workload at its own address by a listener more, and no other changes', async () => {
    controlPlane = await ControlPlane.start(yaml);
    const register = (host: number): (() => void) => {
      const given = { service: 'db', appPorts: [5432], address: `10.0.0.${host}`, labels: { app: 'db' } };
      return controlPlane.registry.register({ id: `db-${host}`, cluster: 'db', metadata: nodeOf(`db-${host}`, given) });
    };
    const sidecar = await connect();
    const withdrawFirst = register(7);
    const before = resourcesIn('LDS', await sidecar.next('LDS'));
    const { encodedTotal } = controlPlane.discovery.encoder;
    register(8);
    const after = resourcesIn('LDS', await sidecar.next('LDS'));
    const added = after.filter(({ name = '' }) => !before.some((one) => one.name === name));
    expect(added.map(({ name }) => name)).toEqual(['10.0.0.8_5432']);
    for (const listener of before) expect(after).toContainEqual(listener);
    // One listener and the endpoints of one cluster.
    expect(controlPlane.discovery.encoder.encodedTotal - encodedTotal).toBe(2);
    withdrawFirst();
    const last = resourcesIn('LDS', await sidecar.next('LDS'));
    expect(last.map(({ name }) => name)).not.toContain('10.0.0.7_5432');
    expect(last.map(({ name }) => name)).toContain('10.0.0.8_5432');
  });
});

import { afterEach, describe, expect, test } from 'vitest';
import type { HttpConnectionManager } from '../../../proxy/api/envoy.gen.ts';
import { discover } from '../../../pilot/registry/service-discovery.ts';
import { createGenerators } from '../../../pilot/xds/generators.ts';
import { ResourceEncoder } from '../../../pilot/xds/resource-encoder.ts';
import { metadataOf, serviceYaml, virtualServiceYaml } from '../networking/scenario.ts';
import { ControlPlane, turn } from './control-plane.ts';
import { type FakeSidecar, type Received, resourcesIn } from './fake-sidecar.ts';

let controlPlane: ControlPlane;
afterEach(() => controlPlane.close());

const client = (name: string, labels: Readonly<Record<string, string>> = {}) => ({
  service: '',
  name,
  labels,
  appPort: 0,
  inboundPort: 0,
});

const telemetryYaml = (spec: string, namespace = 'default'): string => `
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: logs, namespace: ${namespace} }
spec: ${spec}
`;
const toStdout = '{ accessLogging: [{ providers: [{ name: envoy }] }] }';

/** How many access logs each listener of a response has. */
const logsIn = (received: Received): Record<string, number> =>
  Object.fromEntries(
    resourcesIn('LDS', received).map(({ name = '', filter_chains = [] }) => {
      const { access_log = [] } = (filter_chains[0]?.filters?.[0]?.typed_config ?? {}) as HttpConnectionManager;
      return [name, access_log.length];
    }),
  );

const bytesOf = ({ response }: Received): Buffer[] => response.resources.map(({ value }) => Buffer.from(value));
const listenerPushesOf = ({ received }: FakeSidecar): number => received.filter(({ type }) => type === 'LDS').length;

describe('a push of listeners', () => {
  test('follows a Telemetry, and its end', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('a'));
    const sidecar = await controlPlane.connectSynced({ service: 'a' });
    await controlPlane.apply(telemetryYaml(toStdout));
    expect(logsIn(await sidecar.next('LDS'))).toEqual({ virtualOutbound: 1, virtualInbound: 1 });
    await controlPlane.apply(
      telemetryYaml('{ accessLogging: [{ match: { mode: SERVER }, providers: [{ name: envoy }] }] }'),
    );
    expect(logsIn(await sidecar.next('LDS'))).toEqual({ virtualOutbound: 0, virtualInbound: 1 });
    await controlPlane.delete('Telemetry', 'logs');
    expect(logsIn(await sidecar.next('LDS'))).toEqual({ virtualOutbound: 0, virtualInbound: 0 });
  });

  test('follows nothing else: neither a VirtualService nor a Telemetry that changes no log', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('a') + telemetryYaml(toStdout));
    const sidecar = await controlPlane.connectSynced({ service: 'a' });
    const pushes = listenerPushesOf(sidecar);
    await controlPlane.apply(
      virtualServiceYaml('[{ timeout: 1s, route: [{ destination: { host: a } }] }]', { hosts: '[a]' }),
    );
    await sidecar.barrier();
    expect(listenerPushesOf(sidecar)).toBe(pushes);
    await controlPlane.apply(telemetryYaml(toStdout, 'elsewhere'));
    await sidecar.barrier();
    await turn();
    expect(listenerPushesOf(sidecar)).toBe(pushes);
  });

  test('is translated once for as long as no Telemetry changes, whatever else does', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('a') + telemetryYaml(toStdout));
    const { store } = controlPlane;
    const encoder = new ResourceEncoder();
    const { LDS } = createGenerators(encoder, undefined);
    const encodedBefore = encoder.encodedTotal;
    const node = metadataOf({ service: 'a' });
    const input = () => ({ revision: store.revision, resources: store.list(), workloads: [] });
    const before = discover(input());
    const listeners = LDS.all(node, before);
    expect(encoder.encodedTotal - encodedBefore).toBe(2);
    await controlPlane.apply(
      virtualServiceYaml('[{ timeout: 1s, route: [{ destination: { host: a } }] }]', { hosts: '[a]' }),
    );
    const after = discover(input(), before);
    expect(after.config).not.toBe(before.config);
    expect([...LDS.all(node, after).values()]).toEqual([...listeners.values()]);
    expect(encoder.encodedTotal - encodedBefore).toBe(2);
    await controlPlane.apply(telemetryYaml('{ accessLogging: [{ disabled: true }] }'));
    LDS.all(node, discover(input(), after));
    expect(encoder.encodedTotal - encodedBefore).toBe(4);
  });

  test('reaches the selected workloads only', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('a'));
    const chosen = await controlPlane.connectSynced(client('chosen', { app: 'web' }));
    const other = await controlPlane.connectSynced(client('other', { app: 'db' }));
    const pushes = listenerPushesOf(other);
    await controlPlane.apply(telemetryYaml(`{ selector: { matchLabels: { app: web } }, ${toStdout.slice(1)}`));
    expect(logsIn(await chosen.next('LDS'))).toEqual({ virtualOutbound: 1 });
    await other.barrier();
    expect(listenerPushesOf(other)).toBe(pushes);
  });

  test('encodes once for all workloads that no Telemetry tells apart, whatever their labels and namespaces', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('a') + telemetryYaml(toStdout, 'istio-system'));
    const first = await controlPlane.connectSynced(client('first', { app: 'web' }));
    const { encodedTotal } = controlPlane.discovery.encoder;
    const second = await controlPlane.connectSynced({ ...client('second', { app: 'db' }), namespace: 'other' });
    // Their routes and clusters differ by namespace; the listener does not.
    const listenersOf = ({ received }: FakeSidecar): Buffer[] =>
      received.filter(({ type }) => type === 'LDS').flatMap(bytesOf);
    expect(listenersOf(second)).toEqual(listenersOf(first));
    expect(controlPlane.discovery.encoder.encodedTotal - encodedTotal).toBeLessThan(5);
  });
});

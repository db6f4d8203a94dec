import { afterEach, describe, expect, test } from 'vitest';
import { serviceYaml, virtualServiceYaml } from '../networking/scenario.ts';
import { ControlPlane, turn } from './control-plane.ts';
import { addressesIn, type FakeSidecar, resourcesIn } from './fake-sidecar.ts';

const serviceCount = 500;
let controlPlane: ControlPlane;

/** What a wildcard client of one service each sees; they differ in name only. */
const client = (name: string) => ({ service: '', name, appPort: 0, inboundPort: 0 });
const hostname = (i: number): string => `outbound|80||s${i}.default.svc.cluster.local`;

async function startWithManyServices(): Promise<void> {
  controlPlane = await ControlPlane.start(
    Array.from({ length: serviceCount }, (_, i) => serviceYaml(`s${i}`)).join(''),
  );
}

const valuesOf = (sidecar: FakeSidecar, type: string): Buffer[] =>
  sidecar.received
    .filter((received) => received.type === type)
    .flatMap(({ response }) => response.resources.map(({ value }) => Buffer.from(value)));

afterEach(() => controlPlane.close());

describe('encode once', () => {
  test('a second sidecar gets the same bytes and nothing is encoded for it', async () => {
    await startWithManyServices();
    const first = await controlPlane.connectSynced(client('first'));
    const { encodedTotal } = controlPlane.discovery.encoder;
    // Clusters and assignments of all services, the outbound listener, the mixer and two barriers.
    expect(encodedTotal).toBeGreaterThanOrEqual(2 * serviceCount + 2);
    expect(encodedTotal).toBeLessThan(2 * serviceCount + 10);

    const second = await controlPlane.connectSynced(client('second'));
    expect(controlPlane.discovery.encoder.encodedTotal - encodedTotal).toBeLessThan(5);
    expect(valuesOf(second, 'CDS')).toEqual(valuesOf(first, 'CDS'));
    expect(valuesOf(second, 'LDS')).toEqual(valuesOf(first, 'LDS'));
    expect(valuesOf(first, 'CDS')).toHaveLength(serviceCount);
  });

  test('a workload that comes and goes encodes its assignment only, and sends it to all', async () => {
    await startWithManyServices();
    const first = await controlPlane.connectSynced(client('first'));
    const second = await controlPlane.connectSynced(client('second'));
    const server = await controlPlane.connectSynced({ service: 's7', name: 's7-1' });
    const { encodedTotal } = controlPlane.discovery.encoder;
    for (const sidecar of [first, second]) {
      expect(addressesIn(await sidecar.next())).toEqual({ [hostname(7)]: ['10.0.0.1:15006'] });
      expect(sidecar.pending).toEqual([]);
    }
    server.close();
    for (const sidecar of [first, second]) {
      expect(addressesIn(await sidecar.next())).toEqual({ [hostname(7)]: [] });
      expect(sidecar.pending).toEqual([]);
    }
    expect(controlPlane.discovery.encoder.encodedTotal - encodedTotal).toBe(1);
  });

  test('a push sends only what changed: one service more is no reason to repeat endpoints', async () => {
    await startWithManyServices();
    const sidecar = await controlPlane.connectSynced(client('first'));
    await controlPlane.apply(serviceYaml('extra'));
    const clusters = await sidecar.next('CDS');
    expect(resourcesIn('CDS', clusters)).toHaveLength(serviceCount + 1);
    sidecar.subscribe('EDS', ['mixer', 'outbound|80||extra.default.svc.cluster.local']);
    expect(Object.keys(addressesIn(await sidecar.next('EDS')))).toEqual([
      'outbound|80||extra.default.svc.cluster.local',
    ]);
  });

  test('routes differ between sidecars in the metadata of the caller only, and each names its own', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('a') + serviceYaml('b'));
    const first = await controlPlane.connectSynced(client('first'));
    const second = await controlPlane.connectSynced(client('second'));
    const [one, two] = [first, second].map((sidecar) => {
      const received = sidecar.received.find(({ type }) => type === 'RDS')!;
      return resourcesIn('RDS', received)[0]?.virtual_hosts ?? [];
    });
    const callerOf = (host: (typeof one & object)[number]): string => {
      const [header] = host.request_headers_to_add ?? [];
      expect(header?.append_action).toBe('OVERWRITE_IF_EXISTS_OR_ADD');
      expect(header?.header?.key).toBe('x-envoy-peer-metadata');
      return Buffer.from(header?.header?.value ?? '', 'base64').toString('latin1');
    };
    expect(one).toHaveLength(2);
    for (const host of one ?? []) expect(callerOf(host)).toContain('first');
    for (const host of two ?? []) expect(callerOf(host)).toContain('second');
    const withoutHeader = (hosts: typeof one) => hosts?.map((host) => ({ ...host, request_headers_to_add: [] }));
    expect(withoutHeader(one)).toEqual(withoutHeader(two));
  });

  test('the version is a hash of the content: the same content again has the same version', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('a'));
    const sidecar = await controlPlane.connectSynced(client('first'));
    const original = sidecar.received.findLast(({ type }) => type === 'RDS')?.response.versionInfo;
    await controlPlane.apply(
      virtualServiceYaml('[{ timeout: 1s, route: [{ destination: { host: a } }] }]', { hosts: '[a]' }),
    );
    expect((await sidecar.next('RDS')).response.versionInfo).not.toBe(original);
    await controlPlane.delete('VirtualService', 'rules');
    expect((await sidecar.next('RDS')).response.versionInfo).toBe(original);
    await turn();
  });
});

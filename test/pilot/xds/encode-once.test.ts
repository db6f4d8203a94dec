import { afterEach, describe, expect, test } from 'vitest';
import { destinationRuleYaml, serviceYaml, virtualServiceYaml } from '../networking/scenario.ts';
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
    // Clusters and assignments of all services, the cluster of all others, the outbound listener, the mixer and two barriers.
    expect(encodedTotal).toBeGreaterThanOrEqual(2 * serviceCount + 2);
    expect(encodedTotal).toBeLessThan(2 * serviceCount + 10);

    const second = await controlPlane.connectSynced(client('second'));
    expect(controlPlane.discovery.encoder.encodedTotal - encodedTotal).toBeLessThan(5);
    expect(valuesOf(second, 'CDS')).toEqual(valuesOf(first, 'CDS'));
    expect(valuesOf(second, 'LDS')).toEqual(valuesOf(first, 'LDS'));
    expect(valuesOf(first, 'CDS')).toHaveLength(serviceCount + 1);
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
    expect(resourcesIn('CDS', clusters)).toHaveLength(serviceCount + 2);
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
      const hosts = resourcesIn('RDS', received)[0]?.virtual_hosts ?? [];
      return hosts.filter(({ name }) => name !== 'allow_any');
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

  describe('clients in several places', () => {
    const at = (zone: string) => ({ region: 'r', zone, subZone: '' });
    const ranked = destinationRuleYaml('{ host: s7, trafficPolicy: { outlierDetection: {} } }');
    const groupsOf = ({
      received,
    }: FakeSidecar): (readonly (readonly [zone: string | undefined, priority: number])[])[] =>
      received
        .filter(({ type }) => type === 'EDS')
        .flatMap((each) => resourcesIn('EDS', each))
        .filter(({ cluster_name, endpoints }) => cluster_name === hostname(7) && endpoints?.length)
        .map(({ endpoints = [] }) =>
          endpoints.map(({ locality, priority = 0 }) => [locality?.zone, priority] as const),
        );

    async function connectServers(): Promise<void> {
      for (const zone of ['a', 'b']) {
        const address = zone === 'a' ? '10.0.0.1' : '10.0.0.2';
        await controlPlane.connectSynced({ service: 's7', name: `s7-${zone}`, address, locality: at(zone) });
      }
    }

    test('share all bytes while no rule looks at places', async () => {
      await startWithManyServices();
      await connectServers();
      const first = await controlPlane.connectSynced({ ...client('first'), locality: at('a') });
      const { encodedTotal } = controlPlane.discovery.encoder;
      const second = await controlPlane.connectSynced({ ...client('second'), locality: at('b') });
      expect(controlPlane.discovery.encoder.encodedTotal - encodedTotal).toBeLessThan(5);
      expect(groupsOf(first)).toEqual([
        [
          ['a', 0],
          ['b', 0],
        ],
      ]);
      expect(groupsOf(second)).toEqual(groupsOf(first));
    });

    test('get an order of their own for a service whose rule ranks places, and share it with those in the same place', async () => {
      await startWithManyServices();
      await controlPlane.apply(ranked);
      await connectServers();
      const near = await controlPlane.connectSynced({ ...client('near'), locality: at('a') });
      const { encodedTotal } = controlPlane.discovery.encoder;
      const alike = await controlPlane.connectSynced({ ...client('alike'), locality: at('a') });
      // The barriers of the test alone.
      expect(controlPlane.discovery.encoder.encodedTotal - encodedTotal).toBeLessThan(5);
      const far = await controlPlane.connectSynced({ ...client('far'), locality: at('b') });
      expect(groupsOf(near)).toEqual([
        [
          ['a', 0],
          ['b', 1],
        ],
      ]);
      expect(groupsOf(alike)).toEqual(groupsOf(near));
      expect(groupsOf(far)).toEqual([
        [
          ['a', 1],
          ['b', 0],
        ],
      ]);
    });

    test('are sent the new order, and nothing else, when a rule begins to rank places', async () => {
      await startWithManyServices();
      await connectServers();
      const near = await controlPlane.connectSynced({ ...client('near'), locality: at('a') });
      await controlPlane.apply(ranked);
      await near.next('CDS');
      expect(Object.keys(addressesIn(await near.next('EDS')))).toEqual([hostname(7)]);
      expect(groupsOf(near).at(-1)).toEqual([
        ['a', 0],
        ['b', 1],
      ]);
    });
  });
});

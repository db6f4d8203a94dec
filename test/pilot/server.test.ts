import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Logger, silentLogger } from '../../proxy/common/log.ts';
import type { PilotOptions } from '../../pilot/options.ts';
import { PilotServer } from '../../pilot/server.ts';
import { metadataOf } from './networking/scenario.ts';
import { addressesIn, clusterNames, FakeSidecar } from './xds/fake-sidecar.ts';

const reviews = 'outbound|80||reviews.default.svc.cluster.local';
let dir: string;
let pilot: PilotServer;
let listener: Server;
let inboundPort: number;
const sidecars: FakeSidecar[] = [];

const create = (options: Partial<PilotOptions> = {}): PilotServer =>
  new PilotServer({
    dataDir: join(dir, 'data'),
    restPort: 0,
    xdsPort: 0,
    mixerAddress: { address: '127.0.0.1', port: 15030 },
    logger: silentLogger,
    ...options,
  });

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'heddle-pilot-'));
  pilot = create();
  await pilot.start();
  // What a sidecar's inbound listener is to a restarted pilot: something that accepts connections.
  listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  inboundPort = (listener.address() as AddressInfo).port;
});

afterEach(async () => {
  for (const sidecar of sidecars.splice(0)) sidecar.close();
  await pilot.close();
  listener.close();
  await rm(dir, { recursive: true });
});

function connect(name: string, isClient = false): FakeSidecar {
  const ports = isClient ? { service: '', appPort: 0, inboundPort: 0 } : { inboundPort };
  const sidecar = new FakeSidecar(pilot.xdsPort, metadataOf({ name, address: '127.0.0.1', ...ports }));
  sidecar.isAccepting = true;
  sidecars.push(sidecar);
  return sidecar;
}

/** A sidecar of `reviews` that others are sent to. */
async function connectRegistered(): Promise<FakeSidecar> {
  const sidecar = connect('reviews-v1-1');
  sidecar.subscribe('LDS');
  sidecar.subscribe('EDS', [reviews]);
  while (addressesIn(await sidecar.next('EDS'))[reviews]?.length !== 1);
  return sidecar;
}

async function restart(): Promise<void> {
  await pilot.close();
  pilot = create();
  await pilot.start();
}

const get = async (path: string): Promise<unknown> => (await fetch(`http://127.0.0.1:${pilot.restPort}${path}`)).json();

const virtualService = (host: string, subset: string): object => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'rules' },
  spec: { hosts: [host], http: [{ route: [{ destination: { host, subset } }] }] },
});

const apply = (...resources: object[]): Promise<Response> =>
  fetch(`http://127.0.0.1:${pilot.restPort}/apply`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(resources),
  });

describe('pilot', () => {
  test('what is applied reaches connected sidecars', async () => {
    const sidecar = connect('client', true);
    sidecar.subscribe('CDS');
    await sidecar.next('CDS');
    const answer = await apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'ratings' },
      spec: { ports: [{ name: 'http', port: 9080 }] },
    });
    expect(answer.status).toBe(200);
    expect(clusterNames(await sidecar.next('CDS'))).toEqual([
      'outbound|9080||ratings.default.svc.cluster.local',
      'PassthroughCluster',
    ]);
  });

  test('an unknown subset of a service that only workloads declare is refused', async () => {
    await connectRegistered();
    const answer = await apply(virtualService('reviews', 'v9'));
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(await answer.text()).toMatch(/spec\.http\[0\]\.route\[0\]\.destination\.subset/);
  });

  test('/debug/syncz shows who is connected', async () => {
    expect(await get('/debug/syncz')).toEqual([]);
    await connectRegistered();
    const expected = [
      {
        proxy: 'reviews-v1-1.default',
        workload: { status: 'IN ROTATION' },
        types: { LDS: { status: 'SYNCED' }, RDS: { status: 'NOT SENT' } },
      },
    ];
    await expect.poll(() => get('/debug/syncz')).toMatchObject(expected);
  });

  test('/debug/endpointz shows what serves a service, and a release is warned about a version that nobody serves', async () => {
    const service = 'reviews.default.svc.cluster.local';
    expect(await get(`/debug/endpointz?service=${service}`)).toEqual({ service, endpoints: [] });
    await connectRegistered();
    const labels = { app: 'reviews', version: 'v1' };
    const endpoints = [{ name: 'reviews-v1-1', namespace: 'default', address: '127.0.0.1', labels }];
    expect(await get(`/debug/endpointz?service=${service.toUpperCase()}`)).toMatchObject({ service, endpoints });
    expect(await get('/debug/endpointz')).toMatchObject({ code: 400, message: expect.stringContaining('service') });
    const subsets = ['v1', 'v2'].map((version) => ({ name: version, labels: { version } }));
    const answer = await apply(
      {
        apiVersion: 'networking.istio.io/v1',
        kind: 'DestinationRule',
        metadata: { name: 'reviews' },
        spec: { host: 'reviews', subsets },
      },
      {
        apiVersion: 'networking.heddle.dev/v1alpha1',
        kind: 'Canary',
        metadata: { name: 'reviews' },
        spec: { host: 'reviews', subsets: { primary: 'v1', canary: 'v2' } },
      },
    );
    const text = await answer.text();
    expect(text).toContain('spec.subsets.canary');
    expect(text).toContain('none of version');
    expect(text).not.toContain('spec.subsets.primary');
  });

  test('sidecars are told where the mixer is', async () => {
    const sidecar = connect('client', true);
    sidecar.subscribe('EDS', ['mixer']);
    expect(addressesIn(await sidecar.next('EDS'))).toEqual({ mixer: ['127.0.0.1:15030'] });
  });

  test.each(['stopped', 'drained'])(
    '%s and started again, it knows the workloads before their sidecars are back',
    async (how) => {
      await connectRegistered();
      if (how === 'drained') await pilot.drain(1000);
      await restart();
      const first = connect('client', true);
      first.subscribe('EDS', [reviews]);
      expect(addressesIn(await first.next('EDS'))).toEqual({ [reviews]: [`127.0.0.1:${inboundPort}`] });
    },
  );

  test('a workload that is gone when pilot starts again is not waited for', async () => {
    await connectRegistered();
    await new Promise((resolve) => listener.close(resolve));
    await restart();
    const first = connect('client', true);
    first.subscribe('EDS', [reviews]);
    expect(addressesIn(await first.next('EDS'))).toEqual({ [reviews]: [] });
  });

  test('a taken port fails the start, and what was opened can be closed', async () => {
    const other = new PilotServer({
      dataDir: join(dir, 'other'),
      restPort: 0,
      xdsPort: pilot.xdsPort,
      logger: silentLogger,
    });
    await expect(other.start()).rejects.toThrow(/EADDRINUSE|bind/);
    await other.close();
    const third = new PilotServer({ dataDir: join(dir, 'other'), restPort: 0, xdsPort: 0, logger: silentLogger });
    await third.start();
    await third.close();
  });

  test('start, drain and close may be called again; close needs no start', async () => {
    await pilot.start();
    await pilot.drain(100);
    await pilot.drain(100);
    await pilot.close();
    await create().close();
  });
});

test('a pilot warns of a stored Telemetry whose provider its mesh configuration does not have any more', async () => {
  const warnings: unknown[] = [];
  const logger: Logger = { ...silentLogger, warn: (...line) => void warnings.push(line), child: () => logger };
  const restart = async (options: Partial<PilotOptions>): Promise<void> => {
    await pilot.close();
    pilot = create({ logger, ...options });
    await pilot.start();
  };
  const meshConfig = { extensionProviders: [{ name: 'mine', envoyFileAccessLog: {} }] };
  await restart({ meshConfig });
  const telemetry = {
    apiVersion: 'telemetry.istio.io/v1',
    kind: 'Telemetry',
    metadata: { name: 'logs' },
    spec: { accessLogging: [{ providers: [{ name: 'mine' }] }] },
  };
  const { status } = await fetch(`http://127.0.0.1:${pilot.restPort}/apply`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([telemetry]),
  });
  expect(status).toBe(200);
  await restart({ meshConfig });
  expect(warnings).toEqual([]);
  await restart({});
  expect(warnings).toEqual([
    [
      'a stored Telemetry does not log',
      {
        name: 'default/logs',
        path: 'spec.accessLogging[0].providers[0].name',
        message: 'no provider of access logs "mine" is in the mesh configuration, known are envoy',
      },
    ],
  ]);
});

import { once } from 'node:events';
import { connect } from 'node:net';
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { encodeDiscoveryRequest } from '../../../proxy/api/discovery.ts';
import { resourceTypes } from '../../../proxy/api/resource-types.ts';
import { destinationRuleYaml, serviceYaml, virtualServiceYaml } from '../networking/scenario.ts';
import { ControlPlane, turn } from './control-plane.ts';
import { addressesIn, clusterNames, resourcesIn } from './fake-sidecar.ts';

const reviews = 'outbound|80||reviews.default.svc.cluster.local';
let controlPlane: ControlPlane;

afterEach(() => controlPlane.close());

describe('ADS server', () => {
  test('a subscription to everything gets all clusters and listeners, a named one what it names', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('reviews'));
    const sidecar = controlPlane.connect();
    sidecar.subscribe('CDS');
    expect(clusterNames(await sidecar.accept())).toEqual([reviews, 'PassthroughCluster', 'inbound|8080||']);
    sidecar.subscribe('EDS', [reviews]);
    expect(addressesIn(await sidecar.accept())).toEqual({ [reviews]: [] });
    sidecar.subscribe('LDS');
    expect(resourcesIn('LDS', await sidecar.accept()).map(({ name }) => name)).toEqual([
      'virtualOutbound',
      'virtualInbound',
    ]);
    sidecar.subscribe('RDS', ['http_proxy', 'unknown']);
    expect(resourcesIn('RDS', await sidecar.accept()).map(({ name }) => name)).toEqual(['http_proxy']);
  });

  test('the workload of a sidecar with listeners is an endpoint, until its stream closes', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('reviews'));
    const caller = await controlPlane.connectClient();
    const server = await controlPlane.connectSynced({ address: '10.0.0.7' });
    expect(addressesIn(await caller.next('EDS'))).toEqual({ [reviews]: ['10.0.0.7:15006'] });
    server.close();
    expect(addressesIn(await caller.next('EDS'))).toEqual({ [reviews]: [] });
    expect(caller.pending).toEqual([]);
  });

  test('a sidecar without listeners is not an endpoint yet; one that asks for none is, after a while', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('reviews'));
    const caller = await controlPlane.connectClient();
    const server = controlPlane.connect({ address: '10.0.0.7' });
    server.subscribe('EDS', [reviews]);
    await server.accept('EDS');
    await caller.barrier();
    expect(caller.pending).toEqual([]);
    controlPlane.clock.advance(1000);
    expect(addressesIn(await caller.next('EDS'))).toEqual({ [reviews]: ['10.0.0.7:15006'] });
  });

  test('whoever does not answer pings is given up, as long after as the option says', async () => {
    controlPlane = await ControlPlane.start('', undefined, { intervalMs: 30, timeoutMs: 20 });
    const deaf = connect(controlPlane.server.port, '127.0.0.1');
    const closed = once(deaf, 'close');
    const received: Buffer[] = [];
    const startMs = performance.now();
    deaf.on('data', (bytes: Buffer) => received.push(bytes));
    // The preface and empty SETTINGS (RFC 9113 section 3.4), and nothing after that.
    deaf.write(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0', 'latin1'));
    await closed;
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(45);
    // The header of a PING without ACK (RFC 9113 section 6.7).
    const ping = Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0]);
    expect(Buffer.concat(received).includes(ping)).toBe(true);
  });

  test('of two streams of one node the newer counts: the end of the older removes nothing', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('reviews'));
    const caller = await controlPlane.connectClient();
    const older = await controlPlane.connectSynced();
    await caller.next('EDS');
    const newer = await controlPlane.connectSynced();
    older.close();
    await older.ended;
    await newer.barrier();
    await turn();
    await caller.barrier();
    expect(caller.pending).toEqual([]);
    newer.close();
    expect(addressesIn(await caller.next('EDS'))).toEqual({ [reviews]: [] });
  });

  test('a change of weights sends routes and nothing else', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('reviews'));
    const sidecar = await controlPlane.connectSynced();
    await controlPlane.apply(virtualServiceYaml('[{ timeout: 3s, route: [{ destination: { host: reviews } }] }]'));
    const { virtual_hosts } = resourcesIn('RDS', await sidecar.next())[0] ?? {};
    expect(virtual_hosts?.[0]?.routes?.[0]?.route?.timeout).toBe('3s');
    await sidecar.barrier();
    expect(sidecar.pending).toEqual([]);
  });

  test('a resource that changes no configuration sends nothing', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('reviews'));
    const sidecar = await controlPlane.connectClient();
    await controlPlane.apply(destinationRuleYaml('{ host: elsewhere.example.com }'));
    await sidecar.barrier();
    expect(sidecar.pending).toEqual([]);
  });

  test('the mixer is where the option says, and nowhere without it', async () => {
    controlPlane = await ControlPlane.start('', { address: '127.0.0.1', port: 15030 });
    const sidecar = controlPlane.connect();
    sidecar.subscribe('EDS', ['mixer']);
    expect(addressesIn(await sidecar.next())).toEqual({ mixer: ['127.0.0.1:15030'] });
    await controlPlane.close();

    controlPlane = await ControlPlane.start();
    const other = controlPlane.connect();
    other.subscribe('EDS', ['mixer']);
    expect(addressesIn(await other.next())).toEqual({ mixer: [] });
  });

  test('drain ends the streams and tells clients to look elsewhere', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('reviews'));
    const sidecar = await controlPlane.connectSynced();
    await controlPlane.server.drain(1000);
    expect((await sidecar.ended).code).toBe(status.UNAVAILABLE);
    expect(controlPlane.discovery.syncStatus()).toEqual([]);
  });
});

describe('hostile clients', () => {
  const typeUrl = resourceTypes.CDS.typeUrl;
  const empty = { typeUrl, versionInfo: '', responseNonce: '', resourceNames: [], errorDetail: undefined };

  async function endOf(bytes: Uint8Array): Promise<{ code: number; details: string }> {
    controlPlane = await ControlPlane.start(serviceYaml('reviews'));
    const client = controlPlane.connect();
    client.sendBytes(bytes);
    const ended = await client.ended;
    expect(controlPlane.discovery.syncStatus()).toEqual([]);
    await controlPlane.connectSynced();
    return ended;
  }

  test.each([
    ['no node', encodeDiscoveryRequest({ ...empty, node: undefined }), /^node: is required in the first request/],
    ['a node without an id', encodeDiscoveryRequest({ ...empty, node: { cluster: 'x' } }), /^node\.id: is required/],
    [
      'a port out of range',
      encodeDiscoveryRequest({ ...empty, node: { id: 'x', metadata: { INBOUND_PORT: 70000 } } }),
      /^node\.metadata\.INBOUND_PORT: must be a port/,
    ],
    [
      'a workload without an address',
      encodeDiscoveryRequest({
        ...empty,
        node: { id: 'x', metadata: { INBOUND_PORT: 1, APP_PORT: 2, ADDRESS: 'host' } },
      }),
      /^node\.metadata\.ADDRESS: must be an IP address, got "host"/,
    ],
    [
      'garbage',
      Uint8Array.from([0xff, 0xff, 0xff]),
      /must be an encoded envoy\.service\.discovery\.v3\.DiscoveryRequest/,
    ],
  ])('%s ends the stream with a sentence, and others are served', async (_name, bytes, sentence) => {
    const { code, details } = await endOf(bytes);
    expect(code).toBe(status.INVALID_ARGUMENT);
    expect(details).toMatch(sentence);
  });

  test('garbage after a good start ends the stream and withdraws its endpoint', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('reviews'));
    const caller = await controlPlane.connectClient();
    const server = await controlPlane.connectSynced();
    await caller.next('EDS');
    server.sendBytes(Uint8Array.from([0xff]));
    expect((await server.ended).code).toBe(status.INVALID_ARGUMENT);
    expect(addressesIn(await caller.next('EDS'))).toEqual({ [reviews]: [] });
  });

  test('types that pilot does not serve are left unanswered, and the stream lives', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('reviews'));
    const sidecar = await controlPlane.connectSynced();
    sidecar.sendBytes(
      encodeDiscoveryRequest({ ...empty, node: undefined, typeUrl: 'type.googleapis.com/no.such.Type' }),
    );
    await sidecar.barrier();
    expect(sidecar.pending).toEqual([]);
  });

  test('a stale nonce is ignored', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('reviews'));
    const sidecar = controlPlane.connect();
    sidecar.subscribe('CDS');
    const first = await sidecar.accept('CDS');
    await controlPlane.apply(serviceYaml('ratings'));
    await sidecar.next('CDS');
    sidecar.ack(first);
    sidecar.subscribe('EDS', ['mixer']);
    await sidecar.next('EDS');
    expect(controlPlane.discovery.syncStatus()[0]?.types.CDS.status).toBe('STALE');
  });
});

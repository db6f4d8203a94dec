import { once } from 'node:events';
import { connect as connectSocket, createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createLogger } from '../../../proxy/common/log.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { until } from '../../support/turns.ts';
import {
  ads,
  assignmentJson,
  edsClusterJson,
  http2Options,
  rdsListenerJson,
  routeConfigurationJson,
  staticClusterJson,
} from '../api/samples.ts';
import { connect, createClient, startServer, takeSubscriptions } from './connected-client.ts';
import type { FakeAdsStream } from './fake-ads-server.ts';

/** Everything that one sidecar needs, and its answers. */
async function configure(stream: FakeAdsStream): Promise<void> {
  await takeSubscriptions(stream);
  stream.send('CDS', 'c1', edsClusterJson('a'));
  await stream.next();
  await stream.next();
  stream.send('EDS', 'e1', assignmentJson('a', 9001));
  await stream.next();
  stream.send('LDS', 'l1', rdsListenerJson('l', 'r'));
  await stream.next();
  await stream.next();
  stream.send('RDS', 'r1', routeConfigurationJson('r', 'a'));
  await stream.next();
}

describe('a new stream', () => {
  test('subscribes to clusters and listeners, with the node in the first request only', async () => {
    const { stream } = await connect();
    const [first, second] = await takeSubscriptions(stream);
    expect(first).toMatchObject({ name: 'CDS', versionInfo: '', responseNonce: '', resourceNames: [] });
    expect(first.node).toMatchObject({ cluster: 'a.default', user_agent_name: 'heddle' });
    expect(second).toMatchObject({ name: 'LDS', versionInfo: '', node: undefined });
  });

  test('asks for the endpoints of EDS clusters of the bootstrap at once', async () => {
    const server = await startServer();
    const grpc = { typed_extension_protocol_options: http2Options };
    const clusters = [
      { ...staticClusterJson('xds', server.port), ...grpc },
      { ...edsClusterJson('mixer'), ...grpc },
    ];
    const { client, sink } = createClient(server.port, {}, { static_resources: { clusters } });
    await client.start();
    const stream = await server.nextStream();
    await stream.next();
    expect(await stream.next()).toMatchObject({ name: 'EDS', resourceNames: ['mixer'] });
    stream.send('EDS', '1', assignmentJson('mixer', 15_030));
    await stream.next();
    expect((await stream.next()).responseNonce).toBe('nonce-1');
    expect(sink.assignments.get('mixer')?.endpoints[0]?.port).toBe(15_030);
  });

  test('asks for nothing that the bootstrap does not discover', async () => {
    const server = await startServer();
    const { client } = createClient(
      server.port,
      {},
      {
        dynamic_resources: {
          ads_config: {
            api_type: 'GRPC',
            transport_api_version: 'V3',
            grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
          },
          lds_config: ads,
        },
      },
    );
    await client.start();
    expect((await (await server.nextStream()).next()).name).toBe('LDS');
  });
});

describe('a good response', () => {
  test('is acknowledged with its version and nonce, and what it refers to is asked for', async () => {
    const { stream, sink } = await connect();
    await takeSubscriptions(stream);
    stream.send('CDS', 'c1', edsClusterJson('a'));
    expect(await stream.next()).toMatchObject({
      name: 'CDS',
      versionInfo: 'c1',
      responseNonce: 'nonce-c1',
      errorDetail: undefined,
    });
    expect(await stream.next()).toMatchObject({
      name: 'EDS',
      versionInfo: '',
      responseNonce: '',
      resourceNames: ['a'],
    });
    expect(sink.takeCalls()).toEqual(['clusters a']);
  });

  test('of CDS is acknowledged when its clusters are warm; their endpoints are asked for at once', async () => {
    const { stream, sink } = await connect();
    await takeSubscriptions(stream);
    sink.isWarming = true;
    stream.send('CDS', 'c1', edsClusterJson('a'));
    expect(await stream.next()).toMatchObject({ name: 'EDS', resourceNames: ['a'] });
    stream.send('EDS', 'e1', assignmentJson('a', 80));
    expect(await stream.next()).toMatchObject({ name: 'EDS', responseNonce: 'nonce-e1' });
    sink.warm();
    expect(await stream.next()).toMatchObject({ name: 'CDS', versionInfo: 'c1', responseNonce: 'nonce-c1' });
  });

  test('of CDS that comes while clusters warm is answered in place of the one before it, and once', async () => {
    const { stream, sink } = await connect();
    await takeSubscriptions(stream);
    sink.isWarming = true;
    stream.send('CDS', 'c1', staticClusterJson('a', 1));
    stream.send('CDS', 'c2', staticClusterJson('a', 2));
    await until(() => sink.calls.length === 2);
    sink.warm();
    stream.send('LDS', 'l1', rdsListenerJson('l', 'r'));
    expect(await stream.next()).toMatchObject({ name: 'CDS', versionInfo: 'c2', responseNonce: 'nonce-c2' });
    expect(await stream.next()).toMatchObject({ name: 'LDS' });
  });

  test('of CDS with a fault is refused at once, whatever is warming', async () => {
    const { stream, sink } = await connect();
    await takeSubscriptions(stream);
    sink.isWarming = true;
    stream.send('CDS', 'c1', staticClusterJson('a', 1));
    stream.send('CDS', 'c2', { name: '' });
    expect(await stream.next()).toMatchObject({ name: 'CDS', versionInfo: 'c1', responseNonce: 'nonce-c2' });
  });

  test('of CDS is not acknowledged to another stream than the one that it came on', async () => {
    const { server, stream, sink } = await connect();
    await takeSubscriptions(stream);
    sink.isWarming = true;
    stream.send('CDS', 'c1', staticClusterJson('a', 1));
    await until(() => sink.calls.length === 1);
    stream.end();
    const next = await server.nextStream();
    expect((await takeSubscriptions(next)).map(({ name }) => name)).toEqual(['CDS', 'LDS']);
    sink.warm();
    next.send('LDS', 'l1', rdsListenerJson('l', 'r'));
    expect(await next.next()).toMatchObject({ name: 'LDS' });
  });

  test('of every kind together is the initial configuration', async () => {
    const { stream, client, sink } = await connect();
    const waiting = client.waitForInitialConfiguration();
    expect(client.hasInitialConfiguration).toBe(false);
    await configure(stream);
    await waiting;
    expect(client.hasInitialConfiguration).toBe(true);
    expect(sink.takeCalls()).toEqual(['clusters a', 'assignment a', 'listeners l', 'routes r']);
  });

  test('is there to be looked at', async () => {
    const { stream, client } = await connect();
    await configure(stream);
    await client.waitForInitialConfiguration();
    expect(client.describe()).toMatchObject([
      { name: 'CDS', version: 'c1', status: { kind: 'acked' }, resourceNames: ['a'] },
      { name: 'EDS', version: 'e1', resourceNames: ['a'] },
      { name: 'SDS', version: '', status: { kind: 'idle' }, resourceNames: [] },
      { name: 'LDS', version: 'l1', resourceNames: ['l'] },
      { name: 'RDS', version: 'r1', typeUrl: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration' },
    ]);
    expect(client.dump('CDS')).toEqual([edsClusterJson('a')]);
    expect(client.isConnected).toBe(true);
  });

  test('is applied only when the one before it is', async () => {
    const { stream, sink } = await connect();
    await takeSubscriptions(stream);
    let bind = () => {};
    sink.binding = new Promise((resolve) => (bind = resolve));
    stream.send('LDS', 'l1', rdsListenerJson('l', 'r'));
    stream.send('CDS', 'c1', staticClusterJson('a', 1));
    stream.send('LDS', 'l2', rdsListenerJson('m', 'r'));
    bind();
    const answers = [await stream.next(), await stream.next(), await stream.next(), await stream.next()];
    expect(answers.map(({ name, responseNonce }) => `${name} ${responseNonce}`)).toEqual([
      'LDS nonce-l1',
      'RDS ',
      'CDS nonce-c1',
      'LDS nonce-l2',
    ]);
    expect(sink.takeCalls()).toEqual(['listeners l', 'clusters a', 'listeners m']);
  });
});

describe('a bad response', () => {
  test('is refused with resource and path, applied in no part, and followed by good ones', async () => {
    const { stream, sink, client } = await connect();
    await configure(stream);
    const before = sink.snapshot();
    stream.send('CDS', 'c2', edsClusterJson('b'), { ...edsClusterJson('bad'), lb_policy: 'CLUSTER_PROVIDED' });
    const refusal = await stream.next();
    expect(refusal).toMatchObject({ name: 'CDS', versionInfo: 'c1', responseNonce: 'nonce-c2' });
    expect(refusal.errorDetail).toEqual({
      code: 3,
      message:
        'bad: lb_policy: "CLUSTER_PROVIDED" is not supported, only ROUND_ROBIN, LEAST_REQUEST, RANDOM, RING_HASH, MAGLEV',
    });
    expect(sink.snapshot()).toEqual(before);
    expect(client.describe()[0]).toMatchObject({ version: 'c1', status: { kind: 'nacked' }, resourceNames: ['a'] });

    stream.send('CDS', 'c3', edsClusterJson('b'));
    expect(await stream.next()).toMatchObject({ versionInfo: 'c3', responseNonce: 'nonce-c3', errorDetail: undefined });
    expect(await stream.next()).toMatchObject({
      name: 'EDS',
      versionInfo: 'e1',
      responseNonce: 'nonce-e1',
      resourceNames: ['a', 'b'],
    });
  });

  test('for a port that is taken carries what the sink said', async () => {
    const { stream, sink } = await connect();
    await takeSubscriptions(stream);
    sink.faults.set('listeners l', [{ path: 'l: address', message: 'is in use' }]);
    stream.send('LDS', 'l1', rdsListenerJson('l', 'r'));
    expect((await stream.next()).errorDetail?.message).toBe('l: address: is in use');
    expect(stream.hasNothingMore).toBe(true);
  });

  test('that makes the sink throw costs neither the process nor the stream', async () => {
    const { stream, sink } = await connect();
    await takeSubscriptions(stream);
    sink.replaceClusters = () => {
      throw new Error('defect');
    };
    stream.send('CDS', 'c1', edsClusterJson('a'));
    expect((await stream.next()).errorDetail?.message).toBe('internal error of the proxy');
    stream.send('LDS', 'l1', rdsListenerJson('l', 'r'));
    expect(await stream.next()).toMatchObject({ name: 'LDS', versionInfo: 'l1' });
  });

  test('of a type that nobody asked for is left unanswered', async () => {
    const { stream } = await connect();
    await takeSubscriptions(stream);
    stream.send('RDS', 'r1', routeConfigurationJson('r'));
    stream.sendResponse({ typeUrl: 'type.googleapis.com/x.Y', versionInfo: '1', nonce: 'n', resources: [] });
    stream.send('LDS', 'l1');
    expect((await stream.next()).name).toBe('LDS');
  });

  test('that is no response at all ends the stream, and the next one goes on', async () => {
    const { stream, server, client, sink } = await connect();
    await configure(stream);
    const before = sink.snapshot();
    stream.sendBytes(Buffer.from('0aff', 'hex'));
    const next = await server.nextStream();
    expect(await next.next()).toMatchObject({ name: 'CDS', versionInfo: 'c1' });
    expect(sink.snapshot()).toEqual(before);
    expect(client.hasInitialConfiguration).toBe(true);
  });
});

describe('a stream that ends', () => {
  test('is followed by one that starts from the accepted versions, with fresh nonces', async () => {
    const { stream, server, sink } = await connect();
    await configure(stream);
    sink.takeCalls();
    stream.end();
    const next = await server.nextStream();
    const requests = [await next.next(), await next.next(), await next.next(), await next.next()];
    expect(
      requests.map(({ name, versionInfo, responseNonce, resourceNames }) => ({
        name,
        versionInfo,
        responseNonce,
        resourceNames,
      })),
    ).toEqual([
      { name: 'CDS', versionInfo: 'c1', responseNonce: '', resourceNames: [] },
      { name: 'EDS', versionInfo: 'e1', responseNonce: '', resourceNames: ['a'] },
      { name: 'LDS', versionInfo: 'l1', responseNonce: '', resourceNames: [] },
      { name: 'RDS', versionInfo: 'r1', responseNonce: '', resourceNames: ['r'] },
    ]);
    expect(requests.map(({ node }) => node?.cluster)).toEqual(['a.default', undefined, undefined, undefined]);

    next.send('CDS', 'c1', edsClusterJson('a'));
    expect(await next.next()).toMatchObject({ name: 'CDS', versionInfo: 'c1', responseNonce: 'nonce-c1' });
    expect(sink.takeCalls()).toEqual([]);
  });

  test('because the control plane died loses nothing, and the restarted one is found', async () => {
    const { stream, server, sink, client } = await connect();
    await configure(stream);
    const before = sink.snapshot();
    server.stop();
    await server.start();
    const next = await server.nextStream();
    expect((await next.next()).versionInfo).toBe('c1');
    next.send('CDS', 'c2', edsClusterJson('a'), edsClusterJson('b'));
    await expect.poll(() => client.describe()[0]?.version).toBe('c2');
    expect(sink.snapshot()).toMatchObject({ ...before, clusters: [{ name: 'a' }, { name: 'b' }] });
  });

  test('while a listener is being bound is followed by one that asks for the routes of that listener', async () => {
    const { stream, server, sink } = await connect();
    await takeSubscriptions(stream);
    let bind = () => {};
    sink.binding = new Promise((resolve) => (bind = resolve));
    stream.send('LDS', 'l1', rdsListenerJson('l', 'r'));
    await expect.poll(() => sink.bindingsStarted).toBe(1);
    server.stop();
    await server.start();
    bind();
    const next = await server.nextStream();
    const requests = [await next.next(), await next.next(), await next.next()];
    expect(requests).toMatchObject([
      { name: 'CDS', versionInfo: '' },
      { name: 'LDS', versionInfo: 'l1', responseNonce: '' },
      { name: 'RDS', responseNonce: '', resourceNames: ['r'] },
    ]);
  });

  test('is opened again later and later, up to ten seconds, until a response has come', async () => {
    const clock = new ManualClock();
    const delays: string[] = [];
    const logger = createLogger('test', 'warn', (line) => delays.push(/retryInMs=(\d+)/.exec(line)?.[1] ?? line));
    const server = await startServer();
    const { client } = createClient(server.port, { clock, logger, random: () => 0.999 });
    await client.start();
    for (let i = 0; i < 8; i += 1) {
      (await server.nextStream()).end();
      await expect.poll(() => delays.length).toBe(i + 1);
      clock.advance(Number(delays[i]));
    }
    expect(delays.map(Number)).toEqual([249, 499, 999, 1998, 3996, 7992, 9990, 9990]);
    const stream = await server.nextStream();
    stream.send('CDS', 'c1');
    await expect.poll(() => client.isConnected).toBe(true);
    stream.end();
    await expect.poll(() => delays.length).toBe(9);
    expect(delays.at(-1)).toBe('249');
  });
});

describe('a control plane that is not there', () => {
  /** Accepts connections and says nothing, ever. */
  async function startBlackHole() {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket.on('error', () => {}))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return { port: (server.address() as AddressInfo).port, sockets };
  }

  test('because nobody listens is tried again', async () => {
    const server = await startServer();
    server.stop();
    const { client } = createClient(server.port);
    await client.start();
    await server.start();
    expect((await (await server.nextStream()).next()).name).toBe('CDS');
  });

  test('because it is mute is given up after the connect timeout', async () => {
    const clock = new ManualClock();
    const lines: string[] = [];
    const { port, sockets } = await startBlackHole();
    const { client } = createClient(port, { clock, logger: createLogger('test', 'warn', (line) => lines.push(line)) });
    await client.start();
    await expect.poll(() => sockets.length).toBe(1);
    clock.advance(5_000);
    expect(lines.join('')).toContain('reason="no connection within 5000 ms"');
    clock.advance(1);
    await expect.poll(() => sockets.length).toBeGreaterThan(1);
  });

  test('any more is noticed by pings that nobody answers', async () => {
    const server = await startServer();
    // Forwards until told to be mute, like a network that loses everything.
    let isMute = false;
    const forwarder = createServer((socket) => {
      const upstream = connectSocket(server.port, '127.0.0.1');
      const forward = (from: Socket, to: Socket) =>
        from.on('data', (bytes) => isMute || to.write(bytes)).on('error', () => {});
      forward(socket, upstream).on('close', () => upstream.destroy());
      forward(upstream, socket).on('close', () => socket.destroy());
    }).listen(0, '127.0.0.1');
    await once(forwarder, 'listening');
    onTestFinished(() => void forwarder.close());
    const reasons: string[] = [];
    const logger = createLogger('test', 'warn', (line) => {
      reasons.push(line);
      isMute = false;
    });
    const { client } = createClient((forwarder.address() as AddressInfo).port, { keepaliveTimeMs: 1_500, logger });
    await client.start();
    const stream = await server.nextStream();
    await configure(stream);
    isMute = true;
    await expect.poll(() => reasons.length, { timeout: 10_000 }).toBeGreaterThan(0);
    expect(await (await server.nextStream()).next()).toMatchObject({ name: 'CDS', versionInfo: 'c1' });
  });
});

describe('the start', () => {
  test('waits for single resources that nobody sends, but not for ever', async () => {
    const clock = new ManualClock();
    const { stream, client } = await connect({ clock });
    await takeSubscriptions(stream);
    const waiting = client.waitForInitialConfiguration();
    stream.send('CDS', 'c1', edsClusterJson('nobody-knows'));
    stream.send('LDS', 'l1');
    await expect.poll(() => client.describe().find(({ name }) => name === 'LDS')?.version).toBe('l1');
    clock.advance(14_999);
    expect(client.hasInitialConfiguration).toBe(false);
    clock.advance(1);
    await waiting;
    expect(client.hasInitialConfiguration).toBe(true);
  });

  test('is not waited for any more after close', async () => {
    const { client, stream } = await connect();
    const waiting = client.waitForInitialConfiguration();
    await client.close();
    await expect(waiting).rejects.toThrow('closed before the first configuration came');
    await expect(client.waitForInitialConfiguration()).rejects.toThrow('closed before');
    await stream.closed;
  });

  test('and the end may be asked for twice', async () => {
    const { client, stream } = await connect();
    await client.start();
    await client.drain(1_000);
    await client.close();
    await client.start();
    await stream.closed;
    expect(client.isConnected).toBe(false);
  });
});

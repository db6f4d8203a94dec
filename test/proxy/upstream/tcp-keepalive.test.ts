import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Cluster, TransportSocket } from '../../../proxy/api/envoy.gen.ts';
import { typeUrlOf } from '../../../proxy/api/discovery.ts';
import { fdOf } from '../../../proxy/common/socket.ts';
import { readSocketOption, socketOptions } from '../../../proxy/common/socket-options.ts';
import { compiled } from '../../support/mesh.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { staticCluster, tcpListener } from '../../support/envoy-json.ts';
import { Authority } from '../../support/pki.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { TlsBackend } from '../../support/tls-backend.ts';
import { turns, until } from '../../support/turns.ts';
import { head } from '../http1/request-case.ts';

/** Linux tells the timer of each socket: 02 is keep-alive (kernel documentation, `proc_net_tcp`). */
function timerOfConnectionTo(port: number): string | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .find((text) => text.includes(` 0100007F:${hex} 01 `));
  return line?.trim().split(/\s+/)[5]?.slice(0, 2);
}

test.runIf(process.platform === 'linux').each([
  [{ upstream_connection_options: { tcp_keepalive: { keepalive_time: 30 } } }, '02'],
  [{ upstream_connection_options: { tcp_keepalive: {} } }, '02'],
  [{}, '00'],
])('tcpKeepalive has the kernel send probes on upstream connections: %j', async (cluster, timer) => {
  const backend = closeAfterTest(new RawBackend());
  await backend.start();
  const proxy = closeAfterTest(await CodecProxy.start({ upstreamPorts: [backend.port], cluster }));
  const client = await RawClient.connect(proxy.port);
  client.send(head('GET / HTTP/1.1', 'Host: a'));
  await client.untilResponses(1);
  // Until the kernel has nothing of this exchange to repeat.
  for (let i = 0; i < 200 && timerOfConnectionTo(backend.port) === '01'; i++) await turns(20);
  expect(timerOfConnectionTo(backend.port)).toBe(timer);
  client.destroy();
});

const { SOL_SOCKET, SO_KEEPALIVE, SOL_TCP, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT } = socketOptions;

function optionOf(socket: net.Socket, level: number, name: number): number | undefined {
  const value = new Int32Array(1);
  const bytes = new Uint8Array(value.buffer);
  return readSocketOption(fdOf(socket), { level, name }, bytes) ? value[0] : undefined;
}

/** Seconds until the first probe and between probes, and how many there are; undefined when there are none. */
function keepaliveOf(socket: net.Socket): unknown {
  if (optionOf(socket, SOL_SOCKET, SO_KEEPALIVE) === 0) return undefined;
  return [TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT].map((name) => optionOf(socket, SOL_TCP, name));
}

/** The proxy's own end: it lives in this process. */
function socketTo(port: number): net.Socket {
  const handles = (process as unknown as { _getActiveHandles(): unknown[] })._getActiveHandles();
  const found = handles.find((each): each is net.Socket => each instanceof net.Socket && each.remotePort === port);
  if (found === undefined) throw new Error(`nothing is connected to ${port}`);
  return found;
}

const systemDefault = (name: string): number =>
  Number(readFileSync(`/proc/sys/net/ipv4/tcp_keepalive_${name}`, 'utf8'));

describe.runIf(process.platform === 'linux')('tcpKeepalive with probes or an interval', () => {
  const defaults = (): number[] => ['time', 'intvl', 'probes'].map(systemDefault);

  test.each([
    ['all of them', { keepalive_time: 30, keepalive_interval: 7, keepalive_probes: 4 }, () => [30, 7, 4]],
    ['the interval only', { keepalive_interval: 7 }, () => [defaults()[0], 7, defaults()[2]]],
    ['the probes only', { keepalive_probes: 4 }, () => [defaults()[0], defaults()[1], 4]],
    ['time and probes', { keepalive_time: 30, keepalive_probes: 4 }, () => [30, defaults()[1], 4]],
  ])('%s: the rest is what the system says', async (_name, tcp_keepalive, expected) => {
    const backend = closeAfterTest(new RawBackend());
    await backend.start();
    const cluster: Cluster = { upstream_connection_options: { tcp_keepalive } };
    const proxy = closeAfterTest(await CodecProxy.start({ upstreamPorts: [backend.port], cluster: { ...cluster } }));
    const client = closeAfterTest(await RawClient.connect(proxy.port));
    client.send(head('GET / HTTP/1.1', 'Host: a'));
    await client.untilResponses(1);
    expect(keepaliveOf(socketTo(backend.port))).toEqual(expected());
  });

  test('of connections by TCP, over TLS', async () => {
    const authority = new Authority();
    const backend = closeAfterTest(await TlsBackend.start(authority.issue()));
    authority.close();
    const typed_config = {
      '@type': typeUrlOf('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
      common_tls_context: {},
    };
    const transport_socket: TransportSocket = { name: 'envoy.transport_sockets.tls', typed_config };
    const upstream_connection_options = { tcp_keepalive: { keepalive_time: 9, keepalive_interval: 3 } };
    const clusters = [staticCluster('backend', [backend.port], { transport_socket, upstream_connection_options })];
    const listeners = [tcpListener({ proxy: { cluster: 'backend' } })];
    const proxy = await closeAfterTest(new ProxyParts({ clusters, listeners })).start();
    const client = closeAfterTest(await RawClient.connect(proxy.port()));
    client.send(head('GET / HTTP/1.1', 'Host: a'));
    await until(() => client.text.startsWith('HTTP/1.1 200'));
    expect(keepaliveOf(socketTo(backend.port))).toEqual([9, 3, systemDefault('probes')]);
  });
});

test('probes are refused by name where the system is not Linux, by file and by xDS, and the time alone is not', () => {
  const script = `
    Object.defineProperty(process, 'platform', { value: 'darwin' });
    const { readBootstrap } = await import(${JSON.stringify(compiled('proxy/bootstrap.js'))});
    const { ProxyServer } = await import(${JSON.stringify(compiled('proxy/server.js'))});
    const cluster = (tcp_keepalive) => ({
      name: 'a', type: 'STATIC', load_assignment: { cluster_name: 'a' }, upstream_connection_options: { tcp_keepalive },
    });
    const read = (...clusters) => readBootstrap(JSON.stringify({ static_resources: { clusters } }), 'test');
    const probing = cluster({ keepalive_probes: 3 });
    const server = new ProxyServer(read().value);
    const timed = read(cluster({ keepalive_time: 3 })).value.staticClusters[0];
    const wanted = { ...timed, tcpKeepalive: { timeMs: 0, intervalMs: 0, probes: 3 } };
    console.log(JSON.stringify([
      read(probing).errors, server.clusters.replaceClusters([timed]), server.clusters.replaceClusters([wanted]),
      server.clusters.get('a').config.tcpKeepalive.probes,
    ]));
    process.exit();`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  const path = 'upstream_connection_options.tcp_keepalive';
  const message = "the options of sockets that this needs are Linux's, this is darwin";
  expect(JSON.parse(stdout || stderr)).toEqual([
    [{ path: `static_resources.clusters[0].${path}`, message }],
    [],
    [{ path: `a: ${path}`, message }],
    0,
  ]);
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Bootstrap, RouteAction } from '../../proxy/api/envoy.gen.ts';
import { closeAfterTest } from '../support/closing.ts';
import { httpListener, routeConfiguration, routeTo, staticCluster, tcpListener } from '../support/envoy-json.ts';
import { startEnvoy } from '../support/envoy.ts';
import { call } from '../support/http-call.ts';
import { createProxy } from '../support/in-process-proxy.ts';
import { eventually } from '../support/mesh.ts';
import { requirePeers } from '../support/peers.ts';
import { type BackendConnection, okResponse, RawBackend } from '../support/raw-backend.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/turns.ts';
import { unusedPort } from '../support/unused-port.ts';

let sidecar: 'heddle' | 'envoy' = 'heddle';

interface Setting {
  readonly isHttp?: boolean;
  readonly isRefused?: boolean;
  readonly route?: RouteAction;
}

/** A sidecar in front of one server, and how its connections to that ended. */
async function start({ isHttp = false, isRefused = false, route = {} }: Setting = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'heddle-connection-ends-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const backend = closeAfterTest(new RawBackend());
  backend.endsWithPeer = isHttp;
  await backend.start();
  const [port, admin] = [await unusedPort(), await unusedPort()];
  const at = (port_value: number) => ({ socket_address: { address: '127.0.0.1', port_value } });
  const listener = isHttp
    ? httpListener({ port, routes: routeConfiguration([routeTo('backend', route)]) })
    : { ...tcpListener({ proxy: { cluster: 'backend', idle_timeout: '1s' } }), address: at(port) };
  const bootstrap: Bootstrap = {
    node: { id: 'test', cluster: 'test' },
    admin: { address: at(admin) },
    static_resources: {
      listeners: [listener],
      clusters: [staticCluster('backend', [isRefused ? await unusedPort() : backend.port])],
    },
  };
  if (sidecar === 'envoy') await startEnvoy(join(folder, 'envoy.json'), JSON.stringify(bootstrap), admin);
  else await createProxy(JSON.stringify(bootstrap)).start();
  const prefix = 'cluster.backend.upstream_cx_destroy';
  return {
    backend,
    connect: async () => closeAfterTest(await RawClient.connect(port)),
    served: async (): Promise<BackendConnection> => {
      await until(() => backend.connections.length > 0);
      return backend.connections.at(-1) ?? expect.fail('there is no connection');
    },
    /** Once one has ended: of which kinds that was. */
    ends: (): Promise<string> =>
      eventually(async () => {
        const { body } = await call(admin, { path: `/stats?filter=^${prefix}` });
        const counts = [...body.matchAll(/upstream_cx_destroy(\w*): (\d+)/g)].map(([, kind = '', count]) => [
          kind,
          count,
        ]);
        const { ['']: total, ...kinds } = Object.fromEntries(counts) as Record<string, string>;
        if (total !== '1') return undefined;
        return Object.keys(kinds)
          .filter((kind) => kinds[kind] === '1')
          .sort()
          .join(' ');
      }),
  };
}

const local = '_local';
const remote = '_remote';
const localActive = '_local _local_with_active_rq _with_active_rq';
const remoteActive = '_remote _remote_with_active_rq _with_active_rq';

describe.each(['heddle', 'envoy'] as const)('%s: a connection to a host ends', (name) => {
  beforeEach((context) => {
    if (name === 'envoy') requirePeers(context, 'envoy');
    sidecar = name;
  });

  test('by the host, when that has the last word', async () => {
    const { connect, served, ends } = await start();
    const client = await connect();
    const server = await served();
    client.end();
    await until(() => server.isEnded);
    server.socket.end();
    await client.untilOver();
    expect(await ends()).toBe(remoteActive);
  });

  test('by us, when the client has the last word', async () => {
    const { connect, served, ends } = await start();
    const client = await connect();
    (await served()).socket.end();
    await until(() => client.isEnded);
    client.end();
    expect(await ends()).toBe(localActive);
  });

  test('by us, when the client resets it', async () => {
    const { connect, served, ends } = await start();
    const client = await connect();
    await served();
    client.reset();
    expect(await ends()).toBe(localActive);
  });

  test('by the host, when that resets it', async () => {
    const { connect, served, ends } = await start();
    await connect();
    (await served()).socket.resetAndDestroy();
    expect(await ends()).toBe(remoteActive);
  });

  test('by us, when nobody said anything for too long', async () => {
    const { connect, served, ends } = await start();
    await connect();
    await served();
    expect(await ends()).toBe(localActive);
  });

  test('by the host, when that refuses it', async () => {
    const { connect, ends } = await start({ isRefused: true });
    await (await connect()).untilOver();
    expect(await ends()).toBe(remote);
  });

  const request = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';

  test('by the host, when that closes it between requests', async () => {
    const { connect, served, ends } = await start({ isHttp: true });
    const client = await connect();
    client.send(request);
    await client.untilResponses(1);
    (await served()).socket.end();
    expect(await ends()).toBe(remote);
  });

  test('by the host, when that refuses it for a request', async () => {
    const { connect, ends } = await start({ isHttp: true, isRefused: true });
    (await connect()).send(request);
    expect(await ends()).toBe(remote);
  });

  test('by the host with a request on it, when that closes it without an answer', async () => {
    const { backend, connect, ends } = await start({ isHttp: true });
    backend.onRequest = ({ socket }) => socket.end();
    (await connect()).send(request);
    expect(await ends()).toBe(remoteActive);
  });

  test('by the host with a request on it, when that breaks an answer off', async () => {
    const { backend, connect, ends } = await start({ isHttp: true });
    backend.onRequest = (connection) => {
      connection.send('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf');
      connection.socket.end();
    };
    (await connect()).send(request);
    expect(await ends()).toBe(remoteActive);
  });

  test('by us, when an answer says that it is the last', async () => {
    const { backend, connect, ends } = await start({ isHttp: true });
    backend.onRequest = (connection) =>
      connection.send(okResponse.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'));
    (await connect()).send(request);
    expect(await ends()).toBe(local);
  });

  test('by us, when the answer is none', async () => {
    const { backend, connect, ends } = await start({ isHttp: true });
    backend.onRequest = (connection) => connection.send('SSH-2.0-dropbear\r\n\r\n');
    (await connect()).send(request);
    expect(await ends()).toBe(localActive);
  });

  test('by us, when a request takes too long', async () => {
    const { backend, connect, ends } = await start({ isHttp: true, route: { timeout: '0.1s' } });
    backend.onRequest = () => {};
    (await connect()).send(request);
    expect(await ends()).toBe(localActive);
  });

  test('by us, when the client of a request goes', async () => {
    const { backend, connect, served, ends } = await start({ isHttp: true });
    backend.onRequest = () => {};
    const client = await connect();
    client.send(request);
    await served();
    await until(() => backend.requests.length === 1);
    client.reset();
    expect(await ends()).toBe(localActive);
  });
});

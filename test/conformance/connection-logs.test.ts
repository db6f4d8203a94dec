import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { AccessLog, Bootstrap, Cluster, Listener, TcpProxy } from '../../proxy/api/envoy.gen.ts';
import { catchNodeHello } from '../support/client-hello.ts';
import { closeAfterTest } from '../support/closing.ts';
import {
  httpListener,
  listenerFilters,
  routeConfiguration,
  routeTo,
  staticCluster,
  tcpChain,
  tcpListener,
} from '../support/envoy-json.ts';
import { startEnvoy } from '../support/envoy.ts';
import { createProxy } from '../support/in-process-proxy.ts';
import { eventually } from '../support/mesh.ts';
import { requirePeers } from '../support/peers.ts';
import { type BackendConnection, RawBackend } from '../support/raw-backend.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/turns.ts';
import { unusedPort } from '../support/unused-port.ts';

const istioFormat =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% ' +
  '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% ' +
  '%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

/** What else can be said of a connection; each with its name, because most are empty. */
const otherVariables =
  '%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG% attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT% cluster=%UPSTREAM_CLUSTER% ' +
  'host=%UPSTREAM_HOST% remote=%UPSTREAM_REMOTE_ADDRESS% remoteIp=%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% ' +
  'remotePort=%UPSTREAM_REMOTE_PORT% local=%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% upstream=%UPSTREAM_PROTOCOL% ' +
  'direct=%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% %REQUEST_DURATION%%RESPONSE_DURATION%%RESPONSE_TX_DURATION%' +
  '%TRACE_ID%%GRPC_STATUS%%VIRTUAL_CLUSTER_NAME%%TRAILER(X)%\n';

const fileLog = (path: string, format?: string): AccessLog[] => {
  const typed_config = {
    '@type': typeUrlOf('envoy.extensions.access_loggers.file.v3.FileAccessLog'),
    path,
    ...(format === undefined ? {} : { log_format: { text_format_source: { inline_string: format } } }),
  };
  return [{ name: 'envoy.access_loggers.file', typed_config }];
};

const onlyOf = (flags: string[], logs: AccessLog[]): AccessLog[] =>
  logs.map((log) => ({ ...log, filter: { response_flag_filter: { flags } } }));

interface Setting {
  readonly format?: string | undefined;
  readonly proxy?: TcpProxy;
  readonly cluster?: Partial<Cluster>;
  /** Default: one that listens. */
  readonly hosts?: readonly number[];
  /** Of the listener, beside its chain. */
  readonly rest?: Partial<Listener>;
  /** A log of the listener instead of one of its chain. */
  readonly listener?: (log: AccessLog[]) => Partial<Listener>;
}

let sidecar: 'heddle' | 'envoy' = 'heddle';

/** A sidecar with one listener to one cluster, and the log that it writes. */
async function start({ format = istioFormat, proxy = {}, cluster, hosts, rest, listener }: Setting = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'heddle-connection-log-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'access.log');
  const backend = closeAfterTest(new RawBackend());
  backend.endsWithPeer = false;
  await backend.start();
  const [port, admin, dead] = [await unusedPort(), await unusedPort(), await unusedPort()];
  const address = { socket_address: { address: '127.0.0.1', port_value: port } };
  const access_log = fileLog(path, format === '' ? undefined : format);
  const tcp: TcpProxy = { cluster: 'backend', ...(listener === undefined ? { access_log } : {}), ...proxy };
  const bootstrap: Bootstrap = {
    node: { id: 'test', cluster: 'test' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
    static_resources: {
      listeners: [{ ...tcpListener({ proxy: tcp }), ...rest, ...listener?.(access_log), address }],
      clusters: [
        staticCluster('backend', hosts ?? [backend.port], cluster),
        staticCluster('dead', [dead], { connect_timeout: '1s' }),
        staticCluster('empty', []),
      ],
    },
  };
  if (sidecar === 'envoy') await startEnvoy(join(folder, 'envoy.json'), JSON.stringify(bootstrap), admin);
  else await createProxy(JSON.stringify(bootstrap)).start();
  // Ports and times are never the same twice.
  const shape = (line: string): string =>
    line
      .replace(/\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\]/, '[TIME]')
      .replace(/^(\[TIME\] .* \d+ \d+) \d+ /, '$1 MS ')
      .replaceAll(`127.0.0.1:${port}`, 'LISTENER')
      .replaceAll(`127.0.0.1:${backend.port}`, 'BACKEND')
      .replaceAll(`127.0.0.1:${dead}`, 'DEAD')
      .replaceAll(/127\.0\.0\.1:\d+/g, 'CLIENT')
      .replaceAll(/=\d{4,5}\b/g, '=PORT');
  return {
    backend,
    connect: async () => closeAfterTest(await RawClient.connect(port)),
    served: async (): Promise<BackendConnection> => {
      await until(() => backend.connections.length > 0);
      return backend.connections.at(-1) ?? expect.fail('there is no connection');
    },
    lines: (count: number): Promise<string[]> =>
      eventually(async () => {
        const lines = (await readFile(path, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
        return lines.length >= count ? lines.map(shape) : undefined;
      }),
  };
}

type Scene = Awaited<ReturnType<typeof start>>;

/** PING, PONG, and both ends say that they are done. */
async function exchange({ connect, served }: Scene): Promise<void> {
  const client = await connect();
  const server = await served();
  client.send('PING!');
  await until(() => server.received === 'PING!');
  server.send('PONG');
  await until(() => client.text === 'PONG');
  client.end();
  await until(() => server.isEnded);
  server.socket.end();
  await client.untilOver();
}

describe.each(['heddle', 'envoy'] as const)('%s: the access log of a connection', (name) => {
  beforeEach((context) => {
    if (name === 'envoy') requirePeers(context, 'envoy');
    sidecar = name;
  });

  test("has Istio's line", async () => {
    const scene = await start();
    await exchange(scene);
    expect(await scene.lines(1)).toEqual([
      '[TIME] "- - -" 0 - - - "-" 5 4 MS - "-" "-" "-" "-" "BACKEND" backend CLIENT LISTENER CLIENT - -',
    ]);
  });

  test("has Envoy's line where no format is given", async () => {
    const scene = await start({ format: '' });
    await exchange(scene);
    expect(await scene.lines(1)).toEqual(['[TIME] "- - -" 0 - 5 4 MS - "-" "-" "-" "-" "BACKEND"']);
  });

  test('says what is known of both ends, and nothing of requests', async () => {
    const scene = await start({ format: otherVariables });
    await exchange(scene);
    expect(await scene.lines(1)).toEqual([
      '- - attempts=1 cluster=backend host=BACKEND remote=BACKEND remoteIp=127.0.0.1 remotePort=PORT local=127.0.0.1 ' +
        'upstream=- direct=127.0.0.1 -------',
    ]);
  });

  test('tells how long it lived', async () => {
    const scene = await start({ format: '%DURATION%\n' });
    const client = await scene.connect();
    const server = await scene.served();
    await new Promise((resolve) => setTimeout(resolve, 200));
    client.end();
    server.socket.end();
    await client.untilOver();
    const [duration = ''] = await scene.lines(1);
    expect(Number(duration)).toBeGreaterThanOrEqual(195);
    expect(Number(duration)).toBeLessThan(5_000);
  });

  test.each([
    ['UF,URX', 'dead', '"delayed_connect_error:_Connection_refused"', '"DEAD" dead'],
    ['UH', 'empty', '"-"', '"-" empty'],
    ['NC', 'nobody', '"-"', '"-" -'],
  ])(
    'has flag %s where it leads to cluster %s, and no byte that nobody took',
    async (flags, cluster, reason, upstream) => {
      const scene = await start({ proxy: { cluster } });
      const client = await scene.connect();
      client.send('hello');
      await client.untilOver();
      expect(await scene.lines(1)).toEqual([
        `[TIME] "- - -" 0 ${flags} - - ${reason} 0 0 MS - "-" "-" "-" "-" ${upstream} - LISTENER CLIENT - -`,
      ]);
    },
  );

  test('has flag UO where the circuit breaker lets no connection through', async () => {
    const scene = await start({ cluster: { circuit_breakers: { thresholds: [{ max_connections: 0 }] } } });
    await (await scene.connect()).untilOver();
    expect(await scene.lines(1)).toEqual([
      '[TIME] "- - -" 0 UO - - "-" 0 0 MS - "-" "-" "-" "-" "-" backend - LISTENER CLIENT - -',
    ]);
  });

  test.each([
    ['dead', 2, 'UF,URX UpstreamConnectionFailure,UpstreamRetryLimitExceeded attempts=2 cluster=dead host=DEAD'],
    ['empty', 2, 'UH NoHealthyUpstream attempts=0 cluster=empty host=-'],
    ['nobody', 2, 'NC NoClusterFound attempts=0 cluster=- host=-'],
  ])('counts attempts to reach cluster %s', async (cluster, max_connect_attempts, expected) => {
    const scene = await start({ format: otherVariables, proxy: { cluster, max_connect_attempts } });
    await (await scene.connect()).untilOver();
    expect(await scene.lines(1)).toEqual([
      `${expected} remote=- remoteIp=- remotePort=- local=- upstream=- direct=127.0.0.1 -------`,
    ]);
  });

  test('names the server that TLS asked for, whose bytes nobody looked into', async () => {
    const format = '%REQUESTED_SERVER_NAME% %RESPONSE_FLAGS% %UPSTREAM_CLUSTER%\n';
    const scene = await start({ format, rest: { listener_filters: listenerFilters('tls_inspector') } });
    const client = await scene.connect();
    client.socket.write(await catchNodeHello({ servername: 'shop.example' }));
    const server = await scene.served();
    await until(() => server.received !== '');
    client.end();
    server.socket.end();
    await client.untilOver();
    expect(await scene.lines(1)).toEqual(['shop.example - backend']);
  });

  test('has flag UR where the server broke it off', async () => {
    const scene = await start();
    const client = await scene.connect();
    const server = await scene.served();
    client.send('abc');
    await until(() => server.received === 'abc');
    server.socket.resetAndDestroy();
    await client.untilOver();
    expect(await scene.lines(1)).toEqual([
      '[TIME] "- - -" 0 UR - - "-" 3 0 MS - "-" "-" "-" "-" "BACKEND" backend CLIENT LISTENER CLIENT - -',
    ]);
  });

  test('tells that the client broke it off: DC, of which Envoy says nothing', async () => {
    const scene = await start({ format: '%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n' });
    const client = await scene.connect();
    await scene.served();
    client.reset();
    expect(await scene.lines(1)).toEqual([sidecar === 'heddle' ? 'DC -' : '- -']);
  });

  test('has flag DT where it lived for as long as it may, and none where it was idle', async () => {
    const format = '%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS%\n';
    const limited = await start({ format, proxy: { max_downstream_connection_duration: '1s' } });
    const first = await limited.connect();
    await first.untilOver();
    expect(first.wasReset).toBe(false);
    expect(await limited.lines(1)).toEqual(['DT - -']);
    const idle = await start({ format, proxy: { idle_timeout: '1s' } });
    const second = await idle.connect();
    await second.untilOver();
    expect(second.wasReset).toBe(false);
    expect(await idle.lines(1)).toEqual(['- - -']);
  });
});

describe.each(['heddle', 'envoy'] as const)('%s: the access log of a listener', (name) => {
  beforeEach((context) => {
    if (name === 'envoy') requirePeers(context, 'envoy');
    sidecar = name;
  });

  const nobody = '"-" "-" "-" "-" "-" - - LISTENER CLIENT - -';

  test('has the connections that match no filter chain, flagged NR', async () => {
    const listener = (access_log: AccessLog[]): Partial<Listener> => ({
      access_log: onlyOf(['NR'], access_log),
      filter_chains: [tcpChain({ cluster: 'backend' }, { destination_port: 9 })],
    });
    const scene = await start({ listener });
    await (await scene.connect()).untilOver();
    expect(await scene.lines(1)).toEqual([`[TIME] "- - -" 0 NR filter_chain_not_found - "-" 0 0 MS - ${nobody}`]);
  });

  test('has them too where the first bytes decided it, and has not received those', async () => {
    const listener = (access_log: AccessLog[]): Partial<Listener> => ({
      access_log: onlyOf(['NR'], access_log),
      listener_filters: listenerFilters('http_inspector'),
      listener_filters_timeout: '5s',
      filter_chains: [tcpChain({ cluster: 'backend' }, { application_protocols: ['h2c'] })],
    });
    const scene = await start({ listener });
    const client = await scene.connect();
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await client.untilOver();
    expect(await scene.lines(1)).toEqual([`[TIME] "- - -" 0 NR filter_chain_not_found - "-" 0 0 MS - ${nobody}`]);
  });

  test('has those that said nothing in time, or went before they did', async () => {
    const listener = (access_log: AccessLog[]): Partial<Listener> => ({
      access_log,
      listener_filters: listenerFilters('http_inspector'),
      listener_filters_timeout: '0.2s',
    });
    const scene = await start({ listener });
    await (await scene.connect()).untilOver();
    (await scene.connect()).reset();
    const line = `[TIME] "- - -" 0 - - - "-" 0 0 MS - ${nobody}`;
    expect(await scene.lines(2)).toEqual([line, line]);
  });

  test('has, without a filter, those that were served as their chain would log them', async () => {
    const scene = await start({ listener: (access_log) => ({ access_log }) });
    await exchange(scene);
    expect(await scene.lines(1)).toEqual([
      '[TIME] "- - -" 0 - - - "-" 5 4 MS - "-" "-" "-" "-" "BACKEND" backend CLIENT LISTENER CLIENT - -',
    ]);
  });

  test('has of those that carry requests what went over them', async () => {
    const { filter_chains = [] } = httpListener({ routes: routeConfiguration([routeTo('backend')]) });
    const listener = (access_log: AccessLog[]): Partial<Listener> => ({ access_log, filter_chains });
    const scene = await start({ listener });
    const client = await scene.connect();
    const request = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n';
    client.send(request);
    await client.untilResponses(1);
    client.end();
    await client.untilOver();
    const bytes = `${request.length} ${client.receivedBytes}`;
    expect(await scene.lines(1)).toEqual([`[TIME] "- - HTTP/1.1" 0 - - - "-" ${bytes} MS - ${nobody}`]);
  });
});

/** A real Envoy that sends its access log to the mixer, and our proxy with the same configuration beside it. */
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, type TestContext } from 'vitest';
import type { MixerServer } from '../../mixer/server.ts';
import type { Bootstrap, Listener } from '../../proxy/api/envoy.gen.ts';
import { commonConfig, http2, httpGrpcLog, logClusterName, tcpGrpcLog } from '../support/access-log-collector.ts';
import { Backend } from '../support/backend.ts';
import { closeAfterTest } from '../support/closing.ts';
import { startEnvoy } from '../support/envoy.ts';
import { httpListener, routeConfiguration, routeTo, staticCluster, tcpListener } from '../support/envoy-json.ts';
import { call } from '../support/http-call.ts';
import { startProxy } from '../support/in-process-proxy.ts';
import { requirePeers } from '../support/peers.ts';
import { unusedPort } from '../support/unused-port.ts';
import { scrape, startMixer, until } from './mesh-of-two.ts';

const cluster = 'outbound|80|v2|reviews.shop.svc.cluster.local';
const gone = 'outbound|80|v1|reviews.shop.svc.cluster.local';
const metadata = { filter_metadata: { istio: { workload: 'reviews-v2;shop;reviews;v2;Kubernetes' } } };
const custom_tags = [
  { tag: 'heddle.reporter', literal: { value: 'source' } },
  {
    tag: 'heddle.destination_workload',
    metadata: { kind: { host: {} }, metadata_key: { key: 'istio', path: [{ key: 'workload' }] } },
  },
];
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';

interface Ports {
  readonly http: number;
  readonly tcp: number;
  readonly admin: number;
}

function at(listener: Listener, port: number): Listener {
  return { ...listener, address: { socket_address: { address: '127.0.0.1', port_value: port } } };
}

function bootstrap(name: string, ports: Ports, { mixer, backend, unused }: Parts): string {
  const http = httpGrpcLog({
    common_config: commonConfig({ custom_tags }),
    additional_request_headers_to_log: ['traceparent'],
  });
  const routes = routeConfiguration([routeTo(gone, {}, { match: { prefix: '/gone' } }), routeTo(cluster)]);
  const listeners = [
    at(httpListener({ name: 'http', routes, manager: { access_log: [http] } }), ports.http),
    at(tcpListener({ name: 'tcp', proxy: { cluster, access_log: [tcpGrpcLog({ custom_tags })] } }), ports.tcp),
  ];
  const json: Bootstrap = {
    node: { id: name, cluster: name, metadata: { NAMESPACE: 'edge', WORKLOAD_NAME: name, LABELS: { app: 'front' } } },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: ports.admin } } },
    static_resources: {
      listeners,
      clusters: [
        staticCluster(cluster, [{ port: backend.port, metadata }]),
        staticCluster(gone, [unused]),
        staticCluster(logClusterName, [mixer.grpcPort], http2),
      ],
    },
  };
  return JSON.stringify(json);
}

interface Parts {
  readonly mixer: MixerServer;
  readonly backend: Backend;
  readonly unused: number;
}

async function freePorts(): Promise<Ports> {
  return { http: await unusedPort(), tcp: await unusedPort(), admin: await unusedPort() };
}

async function exercise(ports: Ports): Promise<void> {
  await call(ports.http, { method: 'POST', body: 'seven!!' });
  await call(ports.http, { path: '/gone' });
  await call(ports.http, { headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } });
  await new Promise<void>((resolve, reject) => {
    const socket = net.connect(ports.tcp, '127.0.0.1', () => socket.end('GET / HTTP/1.0\r\n\r\n'));
    socket.on('error', reject);
    socket.on('close', () => resolve());
    socket.resume();
  });
}

/** What counts the same whoever sent it, under the name of no workload. */
async function countsOf(mixer: MixerServer, source_workload: string): Promise<string[]> {
  const lines: string[] = [];
  for (const { samples } of (await scrape(mixer)).values()) {
    for (const { name, labels, value } of samples) {
      const { source_workload: workload, source_canonical_service: _, ...rest } = labels;
      const isOfTime = name.startsWith('istio_request_duration') && !name.endsWith('_count');
      // Each proxy has words of its own for what it answers itself.
      const isOfWords = name.startsWith('istio_response_bytes') && labels['response_code'] === '503';
      if (workload === source_workload && !isOfTime && !isOfWords)
        lines.push(`${name} ${JSON.stringify(rest)} ${value}`);
    }
  }
  return lines.sort();
}

async function start(context: TestContext): Promise<Parts> {
  requirePeers(context, 'envoy');
  const mixer = closeAfterTest(await startMixer());
  const backend = closeAfterTest(await Backend.start());
  return { mixer, backend, unused: await unusedPort() };
}

describe('a real Envoy', () => {
  test("counts at the mixer by its access log, as our proxy's log does with the same configuration", async (context) => {
    const parts = await start(context);
    const folder = await mkdtemp(join(tmpdir(), 'heddle-als-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const [envoy, ours] = [await freePorts(), await freePorts()];
    await startEnvoy(join(folder, 'envoy.json'), bootstrap('envoy', envoy, parts), envoy.admin);
    await startProxy(bootstrap('heddle', ours, parts));
    for (const ports of [envoy, ours]) await exercise(ports);
    const isComplete = async (name: string): Promise<boolean> => {
      const lines = await countsOf(parts.mixer, name);
      const find = (pattern: RegExp): string | undefined => lines.find((line) => pattern.test(line));
      return find(/requests_total.*"200".* 2$/) !== undefined && find(/closed_total.* 1$/) !== undefined;
    };
    await until(async () => (await isComplete('envoy')) && (await isComplete('heddle')), 'the counts of both');
    const counts = await countsOf(parts.mixer, 'envoy');
    expect(await countsOf(parts.mixer, 'heddle')).toEqual(counts);
    const failed = counts.find((line) => /^istio_requests_total .*"response_code":"503"/.test(line));
    expect(failed).toMatch(/"response_flags":"UF".* 1$/);
    const answered = counts.find((line) => /^istio_requests_total .*"response_code":"200"/.test(line));
    expect(answered).toMatch(/"destination_workload":"reviews-v2".*"destination_version":"v2"/);
    const response = await fetch(`http://127.0.0.1:${parts.mixer.metricsPort}/metrics`, {
      headers: { accept: 'application/openmetrics-text' },
    });
    const exemplars = (await response.text()).split('\n').filter((line) => line.includes(traceId));
    expect(exemplars).toHaveLength(2);
  });
});

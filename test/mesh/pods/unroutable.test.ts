/** A proxy in a pod whose routes lead nowhere: each kind of them makes `connect` fail with an error of its own. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { typeUrlOf } from '../../../proxy/api/discovery.ts';
import type { Cluster, TcpProxy } from '../../../proxy/api/envoy.gen.ts';
import { closeAfterTest } from '../../support/closing.ts';
import {
  bootstrapText,
  httpListener,
  routeConfiguration,
  routeTo,
  staticCluster,
  tcpListener,
} from '../../support/envoy-json.ts';
import { compiled } from '../../support/mesh.ts';
import { requirePeers } from '../../support/peers.ts';
import { patience, PodNetwork, requirePods } from '../../support/pods.ts';

/** Types of routes (`ip-route(8)`), and what the error of `connect` is called in Envoy's details. */
const routes = [
  { type: 'unreachable', address: '198.51.100.1', reason: 'No_route_to_host' },
  { type: 'throw', address: '198.51.100.2', reason: 'Network_is_unreachable' },
  { type: 'prohibit', address: '198.51.100.3', reason: '[A-Z][A-Za-z_]+' },
  { type: 'blackhole', address: '198.51.100.4', reason: '[A-Z][A-Za-z_]+' },
] as const;

const httpPort = (index: number): number => 8_000 + index;
const tcpPort = (index: number): number => 9_000 + index;

function clusterAt(name: string, address: string): Cluster {
  const endpoint = { address: { socket_address: { address, port_value: 80 } } };
  const load_assignment = { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] };
  return { ...staticCluster(name, []), load_assignment };
}

/** Writes the flags of each connection and what the system said. */
function accessLog(path: string): Pick<TcpProxy, 'access_log'> {
  const inline_string = '%RESPONSE_FLAGS% %UPSTREAM_TRANSPORT_FAILURE_REASON%\n';
  const type = typeUrlOf('envoy.extensions.access_loggers.file.v3.FileAccessLog');
  const typed_config = { '@type': type, path, log_format: { text_format_source: { inline_string } } };
  return { access_log: [{ name: 'envoy.access_loggers.file', typed_config }] };
}

function bootstrap(log: string): string {
  const listeners = routes.flatMap(({ type }, i) => {
    const address = { socket_address: { address: '127.0.0.1', port_value: tcpPort(i) } };
    return [
      httpListener({ name: `http-${type}`, port: httpPort(i), routes: routeConfiguration([routeTo(type)]) }),
      tcpListener({ name: `tcp-${type}`, proxy: { cluster: type, ...accessLog(`${log}-${type}`) }, address }),
    ];
  });
  return bootstrapText(
    listeners,
    routes.map(({ type, address }) => clusterAt(type, address)),
  );
}

test('a connect that the system refuses is UF at once, whatever it says, over HTTP and over TCP', async (context) => {
  requirePods(context);
  requirePeers(context, 'curl');
  const network = closeAfterTest(new PodNetwork());
  const folder = mkdtempSync(join(tmpdir(), 'heddle-unroutable-'));
  closeAfterTest({ close: () => rmSync(folder, { recursive: true, force: true }) });
  const pod = network.addPod('nowhere');
  // A route of type `throw` means: as if there were no route here.
  await pod.require(['ip', 'route', 'del', 'default']);
  for (const { type, address } of routes) await pod.require(['ip', 'route', 'add', type, `${address}/32`]);
  const file = join(folder, 'bootstrap.json');
  const log = join(folder, 'log');
  writeFileSync(file, bootstrap(log));
  pod.start([process.execPath, compiled('pilot/cli/main.js'), 'proxy', '-c', file]);
  await pod.listens(tcpPort(routes.length - 1));
  const curl = ['curl', '--silent', '--max-time', '5'];
  for (const [i, { type, reason }] of routes.entries()) {
    const answer = await pod.require([...curl, '--include', `http://127.0.0.1:${httpPort(i)}/`]);
    expect(answer, type).toMatch(/^HTTP\/1\.1 503 /);
    expect(answer, type).toMatch(/^x-heddle-reason: UF /m);
    // Reset, before curl has seen that it was connected (7) or after (56). 28 would be its own time.
    expect([7, 56], type).toContain((await pod.run([...curl, `http://127.0.0.1:${tcpPort(i)}/`])).code);
    const line = new RegExp(`^UF,URX delayed_connect_error:_${reason}\\n$`);
    await expect.poll(() => readFileSync(`${log}-${type}`, 'utf8'), patience).toMatch(line);
  }
});

/** One HTTP filter in front of an application, in our proxy and in a real Envoy, from the same configuration. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { onTestFinished, test, type TestContext } from 'vitest';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { Bootstrap, Cluster, HttpFilter, Listener, RouteConfiguration } from '../../proxy/api/envoy.gen.ts';
import { Backend } from './backend.ts';
import { closeAfterTest } from './closing.ts';
import { bootstrapText, httpListener, routeConfiguration, routeTo, staticCluster } from './envoy-json.ts';
import { startEnvoy } from './envoy.ts';
import { type Answer, call, type Call } from './http-call.ts';
import { startProxy } from './in-process-proxy.ts';
import { requirePeers } from './peers.ts';
import { unusedPort } from './unused-port.ts';

export interface FilterInput {
  readonly filters: readonly HttpFilter[];
  /** Default everything goes to the cluster `application`. */
  readonly routes?: RouteConfiguration;
  readonly clusters?: readonly Cluster[];
}

export interface FilterSetting {
  readonly ask: (details: Call) => Promise<Answer>;
  /** What is not 0 of the statistics that begin with `prefix`, by the rest of their names. */
  readonly stats: (prefix: string) => Promise<Record<string, number>>;
}

export type StartFilter = (input: FilterInput) => Promise<FilterSetting>;

/** Runs `body` with our proxy, and with an Envoy where there is one. */
export function besideEnvoy(title: string, body: (start: StartFilter) => Promise<void>): void {
  test(title, () => body(startInHeddle));
  test(`${title}: in Envoy too`, (context: TestContext) => {
    requirePeers(context, 'envoy');
    return body(startInEnvoy);
  });
}

export const startInHeddle: StartFilter = async (input) => {
  const { listener, clusters } = await resourcesOf(input, 0);
  const proxy = await startProxy(bootstrapText([listener], clusters));
  return {
    ask: (details) => call(proxy.port, details),
    stats: (prefix) => {
      const lines = proxy.server.stats.entries().map((stat) => `${stat.name}: ${stat.value}`);
      return Promise.resolve(statsOf(lines, prefix));
    },
  };
};

const startInEnvoy: StartFilter = async (input) => {
  const [port, admin] = [await unusedPort(), await unusedPort()];
  const { listener, clusters } = await resourcesOf(input, port);
  const bootstrap = JSON.parse(bootstrapText([listener], clusters)) as Bootstrap;
  const socket_address = { address: '127.0.0.1', port_value: admin };
  const dir = mkdtempSync(join(tmpdir(), 'heddle-filter-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const text = JSON.stringify({ ...bootstrap, admin: { address: { socket_address } } });
  await startEnvoy(join(dir, 'envoy.json'), text, admin);
  return {
    ask: (details) => call(port, details),
    stats: async (prefix) => {
      const { body } = await request(`http://127.0.0.1:${admin}/stats`);
      return statsOf((await body.text()).split('\n'), prefix);
    },
  };
};

async function resourcesOf(
  { filters, routes = routeConfiguration([routeTo('application')]), clusters = [] }: FilterInput,
  port: number,
): Promise<{ listener: Listener; clusters: Cluster[] }> {
  const backend = closeAfterTest(await Backend.start());
  const router = { '@type': typeUrlOf('envoy.extensions.filters.http.router.v3.Router') };
  const manager = {
    normalize_path: true,
    http_filters: [...filters, { name: 'envoy.filters.http.router', typed_config: router }],
  };
  const listener = httpListener({ port, routes, manager, direction: 'INBOUND' });
  return { listener, clusters: [staticCluster('application', [backend.port]), ...clusters] };
}

function statsOf(lines: readonly string[], prefix: string): Record<string, number> {
  const found = lines.flatMap((line) => {
    const [name = '', value = ''] = line.split(': ');
    return name.startsWith(prefix) && /^[1-9]\d*$/.test(value)
      ? [[name.slice(prefix.length), Number(value)] as const]
      : [];
  });
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

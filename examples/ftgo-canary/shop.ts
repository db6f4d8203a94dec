/** The whole mesh of the example: control plane, three sidecars with their applications, a gateway, each a process of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import { canListen, findFreePorts } from '../../pilot/cli/free-ports.ts';
import type { ProxySyncStatus } from '../../pilot/xds/sync-status.ts';
import { Child } from './child.ts';

/** This file runs from `dist/examples/ftgo-canary`; the YAML stands in the sources. */
const compiled = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const heddle = compiled('pilot/cli/main.js');
const exampleDir = fileURLToPath(new URL('../../../examples/ftgo-canary/', import.meta.url));

export interface Shop {
  /** Pilot's API. */
  readonly apiUrl: string;
  readonly metricsUrl: string;
  /** Where users of the shop call: the order service's sidecar. */
  readonly orderUrl: string;
  /** Where browsers call: the gateway. */
  readonly gatewayUrl: string;
  readonly admins: readonly { readonly name: string; readonly url: string }[];
}

interface Sidecar {
  readonly name: string;
  readonly inbound: string;
  readonly admin: string;
}

export class ShopProcesses {
  readonly #children: Child[] = [];
  #dataDir: string | undefined;
  #apiUrl = '';
  #isClosed = false;

  /** Resolves when every application is in rotation. */
  async start(): Promise<Shop> {
    this.#dataDir = await mkdtemp(join(tmpdir(), 'heddle-ftgo-'));
    const ports = ['--rest-port', '0', '--xds-port', '0', '--metrics-port', '0', '--mixer-port', '0'];
    const up = this.#run('heddle up', [heddle, 'up', '--data-dir', this.#dataDir, ...ports]);
    const [, apiUrl = '', pilot = '', metricsUrl = ''] = await up.waitForLine(
      /is up: API (\S+), xDS (\S+), metrics (\S+),/,
    );
    this.#apiUrl = apiUrl;
    const [v1, v2, order] = await Promise.all([
      this.#startSidecar(pilot, 'ftgo-consumer-service', 'v1'),
      this.#startSidecar(pilot, 'ftgo-consumer-service', 'v2'),
      this.#startSidecar(pilot, 'ftgo-order-service', 'v1'),
    ]);
    await untilInRotation(apiUrl);
    await this.apply('gateway.yaml');
    const gateway = await this.#startGateway(pilot);
    return {
      apiUrl,
      metricsUrl,
      orderUrl: `http://${order.inbound}`,
      gatewayUrl: gateway.url,
      admins: [v1, v2, order, gateway].map(({ name, admin }) => ({ name, url: admin })),
    };
  }

  /** `heddle apply -f FILE`, file relative to this example; rejects with what it said when it fails. */
  async apply(...files: string[]): Promise<void> {
    const paths = files.flatMap((file) => ['-f', join(exampleDir, file)]);
    const child = new Child({ name: 'heddle apply', args: [heddle, 'apply', '--server', this.#apiUrl, ...paths] });
    const { code } = await child.exited;
    if (code !== 0) throw new Error(`heddle apply ended with ${code}: ${child.output}`);
  }

  /** Rejects when one of the processes ends by itself. */
  watch(): Promise<never> {
    const ends = this.#children.map(async (child) => {
      const { code, signal } = await child.exited;
      throw new Error(`${child.name} ended (${signal ?? `exit code ${code}`}):\n${child.output}`);
    });
    return Promise.race(ends);
  }

  /** Ends every process, sidecars before the control plane, and removes what was stored. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const [controlPlane, ...sidecars] = this.#children;
    await Promise.all(sidecars.map((child) => child.end()));
    await controlPlane?.end();
    if (this.#dataDir !== undefined) await rm(this.#dataDir, { recursive: true, force: true });
  }

  async #startSidecar(pilot: string, service: string, version: string): Promise<Sidecar> {
    const [port = 0] = await findFreePorts(1);
    const program = service.replace(/^ftgo-/, '');
    const application = [process.execPath, compiled(`examples/ftgo-canary/${program}.js`), version];
    const options = ['--service', service, '--version', version, '--port', String(port), '--pilot', pilot];
    const child = this.#run(`${service} ${version}`, [heddle, 'run', ...options, '--', ...application]);
    const [, inbound = '', admin = ''] = await child.waitForLine(/is ready: outbound \S+ inbound (\S+) admin (\S+)/);
    await child.waitForLine(/listens on/);
    return { name: child.name, inbound, admin };
  }

  /** The Gateway's port, 80, is moved to a free one. */
  async #startGateway(pilot: string): Promise<{ readonly name: string; readonly url: string; readonly admin: string }> {
    const port = await findEdgePort();
    const options = ['--name', 'shop', '--port-offset', String(port - 80), '--pilot', pilot];
    const child = this.#run('gateway', [heddle, 'gateway', ...options]);
    const [, admin = ''] = await child.waitForLine(/is ready: .* admin (\S+)/);
    return { name: child.name, url: `http://127.0.0.1:${port}`, admin };
  }

  #run(name: string, args: readonly string[]): Child {
    if (this.#isClosed) throw new Error(`${name} is not started: the shop is closed`);
    const child = new Child({ name, args });
    this.#children.push(child);
    return child;
  }
}

/** Not from where sidecars find ports of their own: it is taken only when the gateway hears of its listeners, seconds later. */
async function findEdgePort(): Promise<number> {
  for (;;) {
    const port = 16_000 + Math.floor(Math.random() * 4_000);
    if (await canListen(port, '127.0.0.1')) return port;
  }
}

/** A sidecar finds its application a moment after that listens. Rejects when one is not found for ten seconds. */
async function untilInRotation(apiUrl: string): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  for (;;) {
    const { body } = await request(`${apiUrl}/debug/syncz`);
    const statuses = (await body.json()) as readonly ProxySyncStatus[];
    const missing = statuses.filter(({ workload }) => workload.status !== 'IN ROTATION').map(({ proxy }) => proxy);
    if (missing.length === 0) return;
    if (performance.now() > deadlineMs) throw new Error(`not in rotation after ten seconds: ${missing.join(', ')}`);
    await sleep(20);
  }
}

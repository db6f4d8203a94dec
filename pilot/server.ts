/** The composition root of pilot: what users apply and sidecars register becomes what sidecars are told. */
import { join } from 'node:path';
import type { ConfigStore } from '../crds/config-store.ts';
import { FileStore } from '../crds/file-store.ts';
import type { MeshConfig } from '../crds/mesh-config.ts';
import type { TelemetrySpec } from '../crds/telemetry.ts';
import { providerFaults } from '../crds/telemetry-references.ts';
import type { Lifecycle } from '../proxy/common/lifecycle.ts';
import { type PilotOptions, type ResolvedOptions, resolveOptions } from './options.ts';
import type { Workload } from './model/workload.ts';
import { CheckLists } from './registry/check-lists.ts';
import { CredentialFolder } from './registry/credential-folder.ts';
import { findListening } from './registry/listening-workloads.ts';
import { WorkloadFile } from './registry/workload-file.ts';
import { WorkloadRegistry } from './registry/workload-registry.ts';
import { endpointsRoute } from './rest/endpoints-route.ts';
import { RestServer } from './rest/rest-server.ts';
import { AdsServer } from './xds/ads-server.ts';
import { DiscoveryServer } from './xds/discovery-server.ts';

/** Answer of `/debug/registryz`. */
export interface RegistryAnswer {
  readonly workloads: readonly Workload[];
  readonly meshConfig: MeshConfig;
}

/** Longer than the longest back-off of a sidecar that reconnects. */
const reconnectGraceMs = 30_000;

export class PilotServer implements Lifecycle {
  readonly #options: ResolvedOptions;
  readonly #store: ConfigStore;
  readonly #registry: WorkloadRegistry;
  readonly #credentials: CredentialFolder;
  readonly #lists: CheckLists;
  readonly #workloadFile: WorkloadFile;
  readonly #discovery: DiscoveryServer;
  readonly #ads: AdsServer;
  readonly #rest: RestServer;
  #started: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: PilotOptions) {
    this.#options = resolveOptions(options);
    const { dataDir, host, restPort, xdsPort, xdsHost, xdsTls, mixerAddress, meshConfig, keepalive, clock, logger } =
      this.#options;
    this.#store = new FileStore(dataDir, { clock, logger });
    this.#registry = new WorkloadRegistry(clock);
    this.#workloadFile = new WorkloadFile(join(dataDir, 'workloads.json'), logger);
    this.#credentials = new CredentialFolder({ folder: this.#options.secretsDir, clock, logger });
    this.#lists = new CheckLists({
      folder: join(dataDir, 'lists'),
      cacheFile: join(dataDir, 'read-lists.json'),
      clock,
      logger,
    });
    const sources = {
      store: this.#store,
      registry: this.#registry,
      credentials: this.#credentials,
      lists: this.#lists,
    };
    const shared = { clock, logger: logger.child('xds') };
    this.#discovery = new DiscoveryServer({ ...sources, mixerAddress, meshConfig, ...shared });
    this.#ads = new AdsServer({
      host: xdsHost,
      port: xdsPort,
      tls: xdsTls && { ...xdsTls, host },
      discovery: this.#discovery,
      keepalive,
      ...shared,
    });
    this.#rest = new RestServer({
      store: this.#store,
      port: restPort,
      host,
      logger,
      clock,
      references: {
        serviceExists: (hostname) => this.#discovery.hasService(hostname),
        endpointsOf: (hostname) => this.#discovery.endpointsOf(hostname),
        meshConfig,
      },
      routes: [
        { method: 'GET', pattern: '/debug/syncz', handle: () => ({ body: this.#discovery.syncStatus() }) },
        endpointsRoute((hostname) => this.#discovery.endpointsOf(hostname)),
        { method: 'GET', pattern: '/debug/registryz', handle: () => ({ body: this.#registryAnswer() }) },
      ],
    });
  }

  /** What sidecars' configuration is made of beside the stored resources. */
  #registryAnswer(): RegistryAnswer {
    const { meshConfig } = this.#options;
    return { workloads: this.#registry.workloads(), meshConfig };
  }

  /** The REST API's port; 0 before the start. */
  get restPort(): number {
    return this.#rest.port;
  }

  /** The ADS port; 0 before the start. */
  get xdsPort(): number {
    return this.#ads.port;
  }

  /** The ADS port with TLS; 0 before the start, and without. */
  get xdsTlsPort(): number {
    return this.#ads.tlsPort;
  }

  /** Rejects when the data cannot be read, is in use by another pilot, or a port is taken. */
  start(): Promise<void> {
    this.#started ??= this.#start();
    return this.#started;
  }

  async #start(): Promise<void> {
    await this.#store.open();
    this.#warnOfLostProviders();
    this.#registry.restore(await findListening(await this.#workloadFile.load()), reconnectGraceMs);
    this.#registry.subscribe(() => this.#workloadFile.save(this.#registry.entries()));
    await this.#credentials.start();
    await this.#lists.start();
    this.#store.subscribe(() => this.#lists.watch(this.#store.list()));
    this.#lists.watch(this.#store.list());
    this.#discovery.start();
    await this.#ads.start();
    await this.#rest.start();
  }

  /** A Telemetry was applied to a pilot that had them; what it says about them has no effect now. */
  #warnOfLostProviders(): void {
    const { meshConfig, logger } = this.#options;
    for (const { kind, spec, metadata } of this.#store.list()) {
      if (kind !== 'Telemetry') continue;
      for (const { path, message } of providerFaults(spec as TelemetrySpec, meshConfig)) {
        logger.warn('a stored Telemetry does not log', {
          name: `${metadata.namespace}/${metadata.name}`,
          path,
          message,
        });
      }
    }
  }

  /** Workloads stay registered in the file: the sidecars live on and come to the next pilot. */
  async drain(deadlineMs: number): Promise<void> {
    this.#workloadFile.freeze();
    await Promise.all([this.#rest.drain(deadlineMs), this.#ads.drain(deadlineMs)]);
    await this.close();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#workloadFile.freeze();
    await this.#rest.close();
    await this.#ads.close();
    this.#credentials.close();
    await this.#lists.close();
    this.#discovery.close();
    await this.#workloadFile.flush();
    await this.#store.close();
  }
}

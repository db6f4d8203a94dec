/** All services of the mesh, and which of them the sidecars of a namespace know. */
import type { Service } from './service.ts';
import { isExportedTo } from './visibility.ts';

/** What is not in here does not exist for whoever sees this table. */
export class ServiceTable {
  /** Sorted by hostname, which is unique. */
  readonly all: readonly Service[];
  readonly #byHostname: ReadonlyMap<string, Service>;

  constructor(services: readonly Service[]) {
    this.all = services;
    this.#byHostname = new Map(services.map((service) => [service.hostname, service]));
  }

  find(hostname: string): Service | undefined {
    return this.#byHostname.get(hostname);
  }
}

/** The table of the whole mesh. Hostnames are unique over it, whoever sees them. */
export class Services extends ServiceTable {
  readonly #tables = new Map<string, ServiceTable>();

  /** Those that clients of `namespace` know. Namespaces that see everything share one table. */
  visibleTo(namespace: string): ServiceTable {
    const known = this.#tables.get(namespace);
    if (known !== undefined) return known;
    const visible = this.all.filter((service) => isExportedTo(service, namespace));
    const table = visible.length === this.all.length ? this : new ServiceTable(visible);
    this.#tables.set(namespace, table);
    return table;
  }
}

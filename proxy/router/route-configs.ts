/** Route tables by name, as RDS delivers them. A listener warms until its own has arrived. */
import type { RouteConfiguration } from '../api/route.ts';
import type { StatsStore } from '../common/stats.ts';
import { RouteTable } from './route-table.ts';

export class RouteConfigs {
  readonly #stats: StatsStore | undefined;
  readonly #tables = new Map<string, RouteTable>();

  /** `stats`: where routes count; tables that serve nobody need none. */
  constructor(stats?: StatsStore) {
    this.#stats = stats;
  }

  get(name: string): RouteTable | undefined {
    return this.#tables.get(name);
  }

  /** Compiles and swaps; requests under way keep the table that they started with. */
  update(config: RouteConfiguration): void {
    this.#tables.set(config.name, new RouteTable(config, this.#stats));
  }

  /** Forgets every table that no listener names. */
  retain(names: ReadonlySet<string>): void {
    for (const name of this.#tables.keys()) if (!names.has(name)) this.#tables.delete(name);
  }
}

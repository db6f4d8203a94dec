/** What HTTP filters are made from, and how they find out what the route of a request wants from them. */
import type { FilterConfig } from '../api/filter-config.ts';
import type { HttpFilter } from '../api/listener.ts';
import type { Clock } from '../common/clock.ts';
import type { StatsStore } from '../common/stats.ts';
import type { HttpStream } from '../http/stream.ts';
import type { Quotas } from '../quota/quotas.ts';
import { currentRoute } from '../router/current-route.ts';
import type { RouterContext } from '../router/router-filter.ts';
import type { AuthorizationClient } from './authorization-client.ts';

export interface FilterContext extends RouterContext {
  readonly clock: Clock;
  readonly stats: StatsStore;
  readonly quotas: Quotas;
  readonly authorization: AuthorizationClient;
  /** Of the HTTP connection manager. */
  readonly statPrefix: string;
}

/** One filter of a chain: its name, by which routes configure it, and what holds where they do not. */
export class FilterSlot<K extends FilterConfig['kind'], C> {
  readonly #name: string;
  readonly #kind: K;
  readonly #default: HttpFilter['config'];
  readonly #context: FilterContext;
  readonly #compile: (config: FilterConfig & { kind: K }) => C;
  /** A configuration is compiled when its first request comes, and forgotten with its route table. */
  readonly #compiled = new WeakMap<object, C>();

  constructor(
    context: FilterContext,
    { name, config }: HttpFilter,
    { kind, compile }: { readonly kind: K; readonly compile: (config: FilterConfig & { kind: K }) => C },
  ) {
    this.#name = name;
    this.#kind = kind;
    this.#default = config;
    this.#context = context;
    this.#compile = compile;
  }

  /** What is to be done with the stream's request; undefined, at the price of two reads, when there is nothing. */
  configOf(stream: HttpStream): C | undefined {
    const config = currentRoute(stream, this.#context.routes)?.filterConfigs?.[this.#name] ?? this.#default;
    if (config === undefined) return undefined;
    const compiled = this.#compiled.get(config);
    return compiled ?? this.#compileNow(config);
  }

  #compileNow(config: SlotConfig): C | undefined {
    if (!isOfKind(config, this.#kind)) return undefined;
    const compiled = this.#compile(config);
    this.#compiled.set(config, compiled);
    return compiled;
  }
}

type SlotConfig = NonNullable<HttpFilter['config']> | FilterConfig;

function isOfKind<K extends FilterConfig['kind']>(config: SlotConfig, kind: K): config is FilterConfig & { kind: K } {
  return config.kind === kind;
}

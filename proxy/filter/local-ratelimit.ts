/**
 * Envoy's `envoy.filters.http.local_ratelimit`: answers what is over a limit with 429, or only counts it. The buckets are
 * this proxy's own.
 */
import type { LocalRateLimit } from '../api/filter-config.ts';
import type { HttpFilter as HttpFilterConfig } from '../api/listener.ts';
import { MeshError } from '../common/errors.ts';
import type { Stat, StatsStore } from '../common/stats.ts';
import type { FilterFactory, FilterStatus, HttpFilter } from '../http/filter.ts';
import { HeaderName } from '../http/header-name.ts';
import type { RequestHead, ResponseHead } from '../http/message-head.ts';
import type { HttpStream } from '../http/stream.ts';
import { type FilterContext, FilterSlot } from './filter-context.ts';
import { happens } from './probability.ts';
import { RateLimiter } from './rate-limiter.ts';
import type { TokenBucket } from './token-bucket.ts';

interface Limit {
  readonly limiter: RateLimiter;
  readonly stats: RateLimitStats;
}

interface RateLimitScope {
  readonly slot: FilterSlot<'local_ratelimit', Limit>;
  readonly context: FilterContext;
}

export function createLocalRateLimitFactory(context: FilterContext, filter: HttpFilterConfig): FilterFactory {
  const limits = new LimitTable(context);
  const compile = (config: LocalRateLimit): Limit => limits.find(config);
  const scope: RateLimitScope = {
    slot: new FilterSlot(context, filter, { kind: 'local_ratelimit', compile }),
    context,
  };
  return (stream) => new LocalRateLimitFilter(stream, scope);
}

/** Limits by the prefix of their statistics: a push of routes that does not change a limit leaves its buckets as full as they are. */
class LimitTable {
  readonly #context: FilterContext;
  readonly #limits = new Map<string, Limit & { readonly text: string }>();

  constructor(context: FilterContext) {
    this.#context = context;
  }

  find(config: LocalRateLimit): Limit {
    const text = JSON.stringify(config);
    const known = this.#limits.get(config.statPrefix);
    if (known?.text === text) return known;
    const { clock, stats } = this.#context;
    const limiter = new RateLimiter(config, clock.monotonicMs());
    const limit = { text, limiter, stats: new RateLimitStats(stats, config.statPrefix) };
    this.#limits.set(config.statPrefix, limit);
    return limit;
  }
}

const names = {
  limit: new HeaderName('x-ratelimit-limit'),
  remaining: new HeaderName('x-ratelimit-remaining'),
  reset: new HeaderName('x-ratelimit-reset'),
};

const noDescribers: readonly never[] = [];

class LocalRateLimitFilter implements HttpFilter {
  readonly #stream: HttpStream;
  readonly #scope: RateLimitScope;
  /** Whose state the response tells. */
  #bucket: TokenBucket | undefined = undefined;

  constructor(stream: HttpStream, scope: RateLimitScope) {
    this.#stream = stream;
    this.#scope = scope;
  }

  decodeHeaders(head: RequestHead): FilterStatus {
    const limit = this.#scope.slot.configOf(this.#stream);
    if (limit === undefined) return 'continue';
    const { limiter, stats } = limit;
    const { random, clock } = this.#scope.context;
    if (!happens(limiter.config.enabledProbability, random)) return 'continue';
    stats.enabled.value += 1;
    const describe = this.#stream.route?.rateLimits.get(limiter.config.stage) ?? noDescribers;
    const { isLimited, bucket } = limiter.check(head, describe, clock.monotonicMs());
    if (limiter.config.hasRateLimitHeaders) this.#bucket = bucket;
    (isLimited ? stats.rateLimited : stats.ok).value += 1;
    if (!isLimited || !happens(limiter.config.enforcedProbability, random)) return 'continue';
    stats.enforced.value += 1;
    this.#stream.sendLocalReply(new MeshError('rate_limited', 'local_rate_limited'));
    return 'stop';
  }

  /** The refusal passes here too. */
  encodeHeaders({ headers }: ResponseHead): void {
    const bucket = this.#bucket;
    if (bucket === undefined) return;
    headers.set(names.limit, String(bucket.config.maxTokens));
    headers.set(names.remaining, String(bucket.remaining));
    headers.set(names.reset, String(bucket.resetSeconds(this.#scope.context.clock.monotonicMs())));
  }

  onDestroy(): void {
    this.#bucket = undefined;
  }
}

/** Envoy docs, http_filters/local_rate_limit_filter. */
class RateLimitStats {
  readonly enabled: Stat;
  readonly ok: Stat;
  readonly rateLimited: Stat;
  readonly enforced: Stat;

  constructor(stats: StatsStore, statPrefix: string) {
    const prefix = `${statPrefix}.http_local_rate_limit.`;
    this.enabled = stats.counter(`${prefix}enabled`);
    this.ok = stats.counter(`${prefix}ok`);
    this.rateLimited = stats.counter(`${prefix}rate_limited`);
    this.enforced = stats.counter(`${prefix}enforced`);
  }
}

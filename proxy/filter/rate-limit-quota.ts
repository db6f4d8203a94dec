/**
 * Envoy's `envoy.filters.http.rate_limit_quota`: answers what is over the quota that this proxy was assigned with 429, or
 * only counts it. The quota is spent here; who assigns it is told later how much was.
 */
import type { RateLimitQuota } from '../api/filter-config.ts';
import type { HttpFilter as HttpFilterConfig } from '../api/listener.ts';
import { MeshError } from '../common/errors.ts';
import type { Stat } from '../common/stats.ts';
import type { FilterFactory, FilterStatus, HttpFilter } from '../http/filter.ts';
import type { RequestHead } from '../http/message-head.ts';
import type { HttpStream } from '../http/stream.ts';
import type { QuotaBucket } from '../quota/quota-bucket.ts';
import { compileHeaderMatch, type RequestPredicate } from '../router/route-match.ts';
import { type FilterContext, FilterSlot } from './filter-context.ts';
import { happens } from './probability.ts';

interface BucketMatch {
  readonly conditions: readonly RequestPredicate[];
  readonly bucket: QuotaBucket;
}

interface QuotaScope {
  readonly slot: FilterSlot<'rate_limit_quota', readonly BucketMatch[]>;
  readonly context: FilterContext;
  readonly enabledProbability: number;
  readonly enforcedProbability: number;
  readonly allowed: Stat;
  readonly denied: Stat;
  readonly enforced: Stat;
}

export function createRateLimitQuotaFactory(context: FilterContext, filter: HttpFilterConfig): FilterFactory {
  const own = filter.config;
  if (own?.kind !== 'rate_limit_quota' || own.service === undefined) throw new Error('decoded with its service');
  const { service } = own;
  const compile = ({ domain, buckets }: RateLimitQuota): readonly BucketMatch[] => {
    const client = context.quotas.client(service.clusterName, domain || own.domain);
    return buckets.map(({ headers, settings }) => ({
      conditions: headers.map(compileHeaderMatch),
      bucket: client.bucket(settings),
    }));
  };
  // Without buckets of its own there is nothing to do until a route names some.
  const slotConfig = { ...filter, config: own.buckets.length === 0 ? undefined : own };
  const prefix = `http.${context.statPrefix}.${filter.name}.`;
  const scope: QuotaScope = {
    slot: new FilterSlot(context, slotConfig, { kind: 'rate_limit_quota', compile }),
    context,
    ...service,
    allowed: context.stats.counter(`${prefix}allowed`),
    denied: context.stats.counter(`${prefix}denied`),
    enforced: context.stats.counter(`${prefix}enforced`),
  };
  return (stream) => new RateLimitQuotaFilter(stream, scope);
}

class RateLimitQuotaFilter implements HttpFilter {
  readonly #stream: HttpStream;
  readonly #scope: QuotaScope;

  constructor(stream: HttpStream, scope: QuotaScope) {
    this.#stream = stream;
    this.#scope = scope;
  }

  decodeHeaders(head: RequestHead): FilterStatus {
    const scope = this.#scope;
    const matches = scope.slot.configOf(this.#stream);
    if (matches === undefined) return 'continue';
    const { random, clock } = scope.context;
    if (!happens(scope.enabledProbability, random)) return 'continue';
    const bucket = findBucket(matches, head);
    if (bucket === undefined) return 'continue';
    const isAllowed = bucket.take(clock.monotonicMs());
    (isAllowed ? scope.allowed : scope.denied).value += 1;
    if (isAllowed || !happens(scope.enforcedProbability, random)) return 'continue';
    scope.enforced.value += 1;
    this.#stream.sendLocalReply(new MeshError('rate_limited', 'rate_limit_quota'));
    return 'stop';
  }
}

function findBucket(matches: readonly BucketMatch[], head: RequestHead): QuotaBucket | undefined {
  for (const { conditions, bucket } of matches) {
    let holds = true;
    for (const condition of conditions) holds &&= condition(head);
    if (holds) return bucket;
  }
  return undefined;
}

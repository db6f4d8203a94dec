/**
 * Envoy's `envoy.filters.http.cors`: answers the preflight requests of origins that a route allows, and says on responses
 * to these origins that scripts there may read them (Fetch standard, CORS protocol).
 */
import type { CorsPolicy } from '../api/filter-config.ts';
import type { HttpFilter as HttpFilterConfig } from '../api/listener.ts';
import type { Stat } from '../common/stats.ts';
import type { FilterFactory, FilterStatus, HttpFilter } from '../http/filter.ts';
import type { HeaderMap } from '../http/header-map.ts';
import { HeaderName } from '../http/header-name.ts';
import type { RequestHead, ResponseHead } from '../http/message-head.ts';
import type { HttpStream } from '../http/stream.ts';
import { currentRoute } from '../router/current-route.ts';
import { type StringPredicate, compileStringMatcher } from '../router/route-match.ts';
import { type FilterContext, FilterSlot } from './filter-context.ts';

interface CompiledCors {
  readonly policy: CorsPolicy;
  readonly allowsOrigin: StringPredicate;
}

interface CorsScope {
  readonly context: FilterContext;
  readonly slot: FilterSlot<'cors', CompiledCors>;
  readonly originValid: Stat;
  readonly originInvalid: Stat;
}

export function createCorsFactory(context: FilterContext, filter: HttpFilterConfig): FilterFactory {
  const { stats, statPrefix } = context;
  const scope: CorsScope = {
    context,
    slot: new FilterSlot(context, filter, { kind: 'cors', compile: compileCors }),
    originValid: stats.counter(`http.${statPrefix}.cors.origin_valid`),
    originInvalid: stats.counter(`http.${statPrefix}.cors.origin_invalid`),
  };
  return (stream) => new CorsFilter(stream, scope);
}

function compileCors(policy: CorsPolicy): CompiledCors {
  const matchers = policy.allowOrigins.map(compileStringMatcher);
  // As in Envoy whatever takes `*` literally takes every origin.
  const allowsAll = matchers.some((matches) => matches('*'));
  return { policy, allowsOrigin: allowsAll ? () => true : (origin) => matchers.some((matches) => matches(origin)) };
}

const names = {
  origin: new HeaderName('origin'),
  requestMethod: new HeaderName('access-control-request-method'),
  requestHeaders: new HeaderName('access-control-request-headers'),
  allowOrigin: new HeaderName('access-control-allow-origin'),
  allowMethods: new HeaderName('access-control-allow-methods'),
  allowHeaders: new HeaderName('access-control-allow-headers'),
  allowCredentials: new HeaderName('access-control-allow-credentials'),
  exposeHeaders: new HeaderName('access-control-expose-headers'),
  maxAge: new HeaderName('access-control-max-age'),
};

class CorsFilter implements HttpFilter {
  readonly #stream: HttpStream;
  readonly #scope: CorsScope;
  /** In force for this request: its origin is allowed, or its preflight is answered all the same. */
  #policy: CorsPolicy | undefined = undefined;
  /** Empty: not allowed. A browser goes by that, whatever else it is told. */
  #origin = '';

  constructor(stream: HttpStream, scope: CorsScope) {
    this.#stream = stream;
    this.#scope = scope;
  }

  decodeHeaders(head: RequestHead): FilterStatus {
    const { slot, context } = this.#scope;
    const cors = slot.configOf(this.#stream);
    // Envoy has no CORS for redirects and direct responses.
    if (cors === undefined || currentRoute(this.#stream, context.routes)?.action.kind !== 'route') return 'continue';
    const origin = head.headers.get(names.origin) ?? '';
    if (origin === '') return 'continue';
    const isAllowed = cors.allowsOrigin(origin);
    (isAllowed ? this.#scope.originValid : this.#scope.originInvalid).value += 1;
    const isAnswered = isPreflight(head) && (isAllowed || !cors.policy.forwardNotMatchingPreflights);
    if (isAllowed || isAnswered) this.#policy = cors.policy;
    if (isAllowed) this.#origin = origin;
    if (!isAnswered) return 'continue';
    this.#stream.localReplyDetails = 'cors_response';
    this.#stream.sendDirectResponse(200, '');
    return 'stop';
  }

  /** The answer to a preflight passes here too. */
  encodeHeaders({ headers }: ResponseHead): void {
    const policy = this.#policy;
    if (policy === undefined) return;
    const { request } = this.#stream;
    if (policy.allowCredentials) headers.set(names.allowCredentials, 'true');
    if (this.#origin !== '') {
      headers.set(names.allowOrigin, this.#origin);
      if (policy.exposeHeaders !== '') headers.set(names.exposeHeaders, policy.exposeHeaders);
    }
    if (isPreflight(request)) addPreflightAnswer(policy, request, headers);
  }

  onDestroy(): void {
    this.#policy = undefined;
    this.#origin = '';
  }
}

function isPreflight({ method, headers }: RequestHead): boolean {
  return method === 'OPTIONS' && headers.get(names.requestMethod) !== undefined;
}

/** `*` is answered with what was asked for: with credentials browsers take it literally. */
function addPreflightAnswer(policy: CorsPolicy, { headers: asked }: RequestHead, headers: HeaderMap): void {
  const allowMethods = policy.allowMethods === '*' ? asked.get(names.requestMethod) : policy.allowMethods;
  const allowHeaders = policy.allowHeaders === '*' ? asked.get(names.requestHeaders) : policy.allowHeaders;
  if (allowMethods) headers.set(names.allowMethods, allowMethods);
  if (allowHeaders) headers.set(names.allowHeaders, allowHeaders);
  if (policy.maxAge !== '') headers.set(names.maxAge, policy.maxAge);
}

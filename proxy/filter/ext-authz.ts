/**
 * Envoy's `envoy.filters.http.ext_authz`: holds a request until a gRPC service has said whether it may pass, and with what
 * changes. A service that does not answer lets everything through, or nothing, as configured.
 */
import {
  type CheckAnswer,
  type CheckedHeader,
  decodeCheckResponse,
  encodeCheckRequest,
} from '../api/authorization-service.ts';
import type { ExtAuthzConfig } from '../api/ext-authz.ts';
import type { HttpFilter as HttpFilterConfig } from '../api/listener.ts';
import { MeshError } from '../common/errors.ts';
import type { Stat } from '../common/stats.ts';
import type { FilterFactory, FilterStatus, HttpFilter } from '../http/filter.ts';
import type { HeaderMap } from '../http/header-map.ts';
import { HeaderName } from '../http/header-name.ts';
import type { RequestHead, ResponseHead } from '../http/message-head.ts';
import type { HttpStream } from '../http/stream.ts';
import { currentRoute } from '../router/current-route.ts';
import type { CheckResult } from './authorization-client.ts';
import { type AttributeReader, type CheckedBody, createAttributeReader } from './check-attributes.ts';
import type { FilterContext } from './filter-context.ts';
import { ended } from './rbac-engine.ts';
import { refuse } from './refusal.ts';

interface AuthorizationScope {
  readonly name: string;
  readonly config: ExtAuthzConfig;
  readonly context: FilterContext;
  readonly readAttributes: AttributeReader;
  readonly stats: AuthorizationStats;
}

export function createExtAuthzFactory(context: FilterContext, { name, config }: HttpFilterConfig): FilterFactory {
  if (config?.kind !== 'ext_authz') throw new Error('the filter is decoded with its service');
  const scope: AuthorizationScope = {
    name,
    config,
    context,
    readAttributes: createAttributeReader(config),
    stats: new AuthorizationStats(context, config.statPrefix),
  };
  return (stream) => new ExtAuthzFilter(stream, scope);
}

const failureModeAllowed = new HeaderName('x-envoy-auth-failure-mode-allowed');
const noExtensions = {};

class ExtAuthzFilter implements HttpFilter {
  readonly #stream: HttpStream;
  readonly #scope: AuthorizationScope;
  /** While the service is asked. */
  #cancel: (() => void) | undefined = undefined;
  /** Questions of earlier requests of the stream may still be answered. */
  #question = 0;
  #responseHeaders: readonly CheckedHeader[] | undefined = undefined;
  #extensions: Readonly<Record<string, string>> = noExtensions;
  /** The body comes, and is shown to the service. */
  #isGathering = false;

  constructor(stream: HttpStream, scope: AuthorizationScope) {
    this.#stream = stream;
    this.#scope = scope;
  }

  decodeHeaders(_head: RequestHead, endStream: boolean): FilterStatus {
    const { name, config, context } = this.#scope;
    const ofRoute = currentRoute(this.#stream, context.routes)?.filterConfigs?.[name];
    const route = ofRoute?.kind === 'ext_authz_per_route' ? ofRoute : undefined;
    if (route === undefined ? config.isDisabled : route.isDisabled) return 'continue';
    const { enabledMetadata: enabled } = config;
    if (enabled !== undefined && this.#stream.metadata.get(enabled.namespace, enabled.key) !== enabled.value) {
      return 'continue';
    }
    this.#extensions = route?.contextExtensions ?? noExtensions;
    this.#isGathering = config.requestBody !== undefined && !endStream;
    if (!this.#isGathering) this.#ask(undefined);
    return 'stop';
  }

  /** Asks as soon as there is as much of the body as the service is told. */
  onHeldData(held: Buffer, endStream: boolean): boolean {
    const { requestBody } = this.#scope.config;
    if (!this.#isGathering || requestBody === undefined) return false;
    const { maxBytes, allowsPartial } = requestBody;
    const isTooLong = allowsPartial ? held.length >= maxBytes : held.length > maxBytes;
    if (!endStream && !isTooLong) return true;
    this.#isGathering = false;
    if (held.length > maxBytes && !allowsPartial) {
      const reason = `the body has more than the ${maxBytes} bytes that the authorization service is told`;
      const error = new MeshError('unauthorized', reason, { details: 'request_payload_too_large' });
      refuse(this.#stream, { status: 413, body: 'Payload Too Large', error });
    } else this.#ask({ bytes: held.subarray(0, maxBytes), isPartial: !endStream || held.length > maxBytes });
    return false;
  }

  #ask(body: CheckedBody | undefined): void {
    const { config, context, readAttributes } = this.#scope;
    const attributes = readAttributes(this.#stream, this.#extensions, body);
    const question = (this.#question += 1);
    this.#cancel = context.authorization.check(config, encodeCheckRequest({ attributes }), (result) => {
      if (this.#cancel === undefined || question !== this.#question) return;
      this.#cancel = undefined;
      this.#onResult(result);
    });
  }

  #onResult(result: CheckResult): void {
    if ('fault' in result) return this.#onFault(result.fault);
    const { value, errors } = decodeCheckResponse(result.bytes);
    if (errors !== undefined) return this.#onFault(errors.map(({ path, message }) => `${path}: ${message}`).join('; '));
    this.#responseHeaders = value.responseHeaders;
    if (value.isAllowed) return this.#pass(value);
    this.#scope.stats.denied.value += 1;
    const reason = `the authorization service ${this.#scope.config.clusterName} denies it`;
    const { status, body } = value;
    return refuse(this.#stream, { status, body, error: new MeshError('unauthorized', reason) });
  }

  #pass({ requestHeaders, removedHeaders }: CheckAnswer & { readonly isAllowed: true }): void {
    this.#scope.stats.ok.value += 1;
    const { headers } = this.#stream.request;
    applyHeaders(headers, requestHeaders);
    for (const name of removedHeaders) headers.remove(new HeaderName(name));
    this.#stream.continueDecoding();
  }

  #onFault(fault: string): void {
    const { config, stats } = this.#scope;
    stats.error.value += 1;
    if (config.failureModeAllow) {
      stats.failureModeAllowed.value += 1;
      if (config.failureModeAllowHeaderAdd) this.#stream.request.headers.set(failureModeAllowed, 'true');
      return this.#stream.continueDecoding();
    }
    const reason = `the authorization service ${config.clusterName} cannot be asked: ${printable(fault)}`;
    const error = new MeshError('unauthorized', reason, { details: 'ext_authz_error' });
    return refuse(this.#stream, { status: config.statusOnError, body: '', error });
  }

  /** The refusal passes here too. */
  encodeHeaders({ headers }: ResponseHead): void {
    if (this.#responseHeaders !== undefined) applyHeaders(headers, this.#responseHeaders);
  }

  onDestroy(): void {
    const cancel = this.#cancel;
    this.#cancel = undefined;
    this.#responseHeaders = undefined;
    this.#isGathering = false;
    cancel?.();
  }
}

function applyHeaders(headers: HeaderMap, changes: readonly CheckedHeader[]): void {
  for (const { name, value, isAppended } of changes) {
    if (isAppended) headers.add(new HeaderName(name), value);
    else headers.set(new HeaderName(name), value);
  }
}

/** As it may stand in a header. */
function printable(text: string): string {
  return text.replace(/[^\u0020-\u007e]/g, ' ').slice(0, 200);
}

/** Envoy docs, http_filters/ext_authz_filter. */
class AuthorizationStats {
  readonly ok: Stat;
  readonly denied: Stat;
  readonly error: Stat;
  readonly failureModeAllowed: Stat;

  constructor({ stats, statPrefix }: FilterContext, ownPrefix: string) {
    const prefix = `http.${statPrefix}.ext_authz.${ended(ownPrefix)}`;
    this.ok = stats.counter(`${prefix}ok`);
    this.denied = stats.counter(`${prefix}denied`);
    this.error = stats.counter(`${prefix}error`);
    this.failureModeAllowed = stats.counter(`${prefix}failure_mode_allowed`);
  }
}

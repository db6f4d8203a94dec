/** Decodes `envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`. */
import { readAccessLog } from './access-log-decoder.ts';
import { requireAds } from './config-source-decoder.ts';
import { readCustomResponse } from './custom-response-decoder.ts';
import { readDnsCacheConfig } from './dns-decoder.ts';
import type {
  CustomResponse as CustomResponseJson,
  envoy_extensions_filters_http_rbac_v3_RBAC as RbacJson,
  HTTPFault,
  HttpConnectionManager as HttpConnectionManagerJson,
  HttpFilter as HttpFilterJson,
  LocalRateLimit as LocalRateLimitJson,
} from './envoy.gen.ts';
import type { CustomResponseConfig } from './custom-response.ts';
import { readExtAuthz } from './ext-authz-decoder.ts';
import { readFault } from './fault-decoder.ts';
import type { Fields } from './fields.ts';
import type { FaultConfig, LocalRateLimit } from './filter-config.ts';
import { readRange } from './filter-chain-match-decoder.ts';
import { readHttp2Options } from './http2-options-decoder.ts';
import type {
  ClientCertConfig,
  EscapedSlashesAction,
  HttpConnectionManager,
  HttpFilter,
  RequestOriginConfig,
} from './listener.ts';
import { readQuotaFilter } from './quota-decoder.ts';
import { readLocalRateLimit } from './rate-limit-decoder.ts';
import type { RbacConfig } from './rbac.ts';
import { readRbac } from './rbac-decoder.ts';
import { readRouteConfiguration } from './route-decoder.ts';
import { readTracing } from './tracing-decoder.ts';
import { readUpgradeConfigs } from './upgrade-decoder.ts';

type Json = HttpConnectionManagerJson;

/** Defaults are Envoy's: `http_connection_manager.proto` and `config/core/v3/protocol.proto`. */
export function readHttpConnectionManager(fields: Fields<Json>): HttpConnectionManager {
  fields.message('http_protocol_options')?.only('allow_absolute_url', true);
  const common = fields.message('common_http_protocol_options');
  const tracing = fields.message('tracing');
  return {
    statPrefix: fields.name('stat_prefix'),
    codecType: fields.choice('codec_type', ['AUTO', 'HTTP1', 'HTTP2']),
    http2: readHttp2Options(fields.message('http2_protocol_options')),
    routes: readRoutes(fields),
    httpFilters: readHttpFilters(fields),
    accessLogs: fields.list('access_log', readAccessLog),
    tracing: tracing && readTracing(tracing),
    normalizesPath: fields.flag('normalize_path'),
    mergesSlashes: fields.flag('merge_slashes'),
    escapedSlashes: readEscapedSlashesAction(fields),
    underscoresInHeaders: common?.choice('headers_with_underscores_action', underscoresActions) ?? 'ALLOW',
    origin: readRequestOrigin(fields),
    clientCert: readClientCert(fields),
    generateRequestId: fields.flag('generate_request_id', true),
    maxRequestHeadersBytes: 1024 * fields.number('max_request_headers_kb', { defaultValue: 60, min: 1, max: 8192 }),
    maxHeadersCount: common?.number('max_headers_count', { defaultValue: 100, min: 1 }) ?? 100,
    requestHeadersTimeoutMs: fields.durationMs('request_headers_timeout', 0),
    requestTimeoutMs: fields.durationMs('request_timeout', 0),
    streamIdleTimeoutMs: fields.durationMs('stream_idle_timeout', 300_000),
    upgradeConfigs: readUpgradeConfigs(fields),
    idleTimeoutMs: common?.durationMs('idle_timeout', 3_600_000) ?? 3_600_000,
  };
}

const underscoresActions = ['ALLOW', 'REJECT_REQUEST', 'DROP_HEADER'] as const;
const escapedSlashesActions = [
  'KEEP_UNCHANGED',
  'REJECT_REQUEST',
  'UNESCAPE_AND_REDIRECT',
  'UNESCAPE_AND_FORWARD',
] as const;

/** The default may be another one in Envoy, where a runtime says so. */
function readEscapedSlashesAction(fields: Fields<Json>): EscapedSlashesAction {
  return fields.choice('path_with_escaped_slashes_action', escapedSlashesActions);
}

function readRequestOrigin(fields: Fields<Json>): RequestOriginConfig {
  fields.only('skip_xff_append', false);
  const internal = fields.message('internal_address_config');
  // There is no connection by a unix socket.
  internal?.ignore('unix_sockets');
  return {
    usesRemoteAddress: fields.flag('use_remote_address'),
    xffNumTrustedHops: fields.number('xff_num_trusted_hops', { defaultValue: 0, max: 1000 }),
    internalAddresses: internal?.list('cidr_ranges', readRange) ?? [],
    preservesExternalRequestId: fields.flag('preserve_external_request_id'),
  };
}

const clientCertModes = ['SANITIZE', 'FORWARD_ONLY', 'APPEND_FORWARD', 'SANITIZE_SET', 'ALWAYS_FORWARD_ONLY'] as const;

function readClientCert(fields: Fields<Json>): ClientCertConfig {
  const details = fields.message('set_current_client_cert_details');
  details?.only('chain', false);
  return {
    mode: fields.choice('forward_client_cert_details', clientCertModes),
    tells: {
      subject: details?.flag('subject') ?? false,
      cert: details?.flag('cert') ?? false,
      dns: details?.flag('dns') ?? false,
      uri: details?.flag('uri') ?? false,
    },
  };
}

function readRoutes(fields: Fields<Json>): HttpConnectionManager['routes'] {
  const rds = fields.message('rds');
  if (rds !== undefined) {
    requireAds(rds.required('config_source'));
    return { kind: 'rds', routeConfigName: rds.name('route_config_name') };
  }
  if (!fields.has('route_config')) fields.failHere('must have one of rds and route_config');
  const inline = fields.message('route_config');
  const none = { name: '', ignoresPort: false, virtualHosts: [], filterConfigs: undefined, headers: noMutations };
  return { kind: 'static', routeConfig: inline === undefined ? none : readRouteConfiguration(inline) };
}

/** Undefined where the filter only waits for what routes say. */
function readFaultDefault(fields: Fields<HTTPFault>): FaultConfig | undefined {
  const fault = readFault(fields);
  return fault.delay === undefined && fault.abort === undefined ? undefined : fault;
}

/** Undefined where the filter only waits for what routes say: Envoy wants a name for its statistics all the same. */
function readLocalRateLimitDefault(fields: Fields<LocalRateLimitJson>): LocalRateLimit | undefined {
  if (fields.has('token_bucket')) return readLocalRateLimit(fields);
  fields.name('stat_prefix');
  return undefined;
}

/** Undefined where the filter only waits for what routes say. */
function readCustomResponseDefault(fields: Fields<CustomResponseJson>): CustomResponseConfig | undefined {
  const config = readCustomResponse(fields);
  return config.responses.length === 0 ? undefined : config;
}

/** Undefined where the filter only waits for what routes say. */
function readRbacDefault(fields: Fields<RbacJson>): RbacConfig | undefined {
  const rbac = readRbac(fields);
  return rbac.rules === undefined && rbac.shadowRules === undefined ? undefined : rbac;
}

const noMutations = { requestAdd: [], requestRemove: [], responseAdd: [], responseRemove: [] };

function readHttpFilters(fields: Fields<Json>): HttpFilter[] {
  const filters = fields.list('http_filters', readHttpFilter);
  const isRouterLast = filters.findIndex(({ kind }) => kind === 'router') === filters.length - 1;
  if (filters.length === 0 || !isRouterLast)
    fields.fail('http_filters', 'must have the router as its last filter only');
  const kinds = filters.map(({ kind }) => kind);
  const isAhead = kinds.lastIndexOf('custom_response') < kinds.indexOf('rbac');
  if (kinds.includes('custom_response') && kinds.includes('rbac') && !isAhead) {
    fields.fail('http_filters', 'must have custom_response in front of the RBAC filters whose refusals it replaces');
  }
  return filters;
}

/** The type decides which filter it is, as in Envoy; the name is for people. */
function readHttpFilter(fields: Fields<HttpFilterJson>): HttpFilter {
  const name = fields.name('name');
  const filter = fields.typed<Omit<HttpFilter, 'name'>>('typed_config', {
    'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit': (limit) => ({
      kind: 'local_ratelimit',
      config: readLocalRateLimitDefault(limit),
    }),
    // Has no fields: what is allowed stands in the routes.
    'envoy.extensions.filters.http.cors.v3.Cors': () => ({ kind: 'cors' }),
    'envoy.extensions.filters.http.custom_response.v3.CustomResponse': (response) => ({
      kind: 'custom_response',
      config: readCustomResponseDefault(response),
    }),
    'envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig': (proxy) => ({
      kind: 'dynamic_forward_proxy',
      config: { kind: 'dynamic_forward_proxy', cache: readDnsCacheConfig(proxy.required('dns_cache_config')) },
    }),
    'envoy.extensions.filters.http.ext_authz.v3.ExtAuthz': (authz) => ({
      kind: 'ext_authz',
      config: readExtAuthz(authz, fields.flag('disabled')),
    }),
    'envoy.extensions.filters.http.fault.v3.HTTPFault': (fault) => ({ kind: 'fault', config: readFaultDefault(fault) }),
    'envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaFilterConfig': (quota) => ({
      kind: 'rate_limit_quota',
      config: readQuotaFilter(quota),
    }),
    'envoy.extensions.filters.http.rbac.v3.RBAC': (rbac) => ({ kind: 'rbac', config: readRbacDefault(rbac) }),
    'envoy.extensions.filters.http.router.v3.Router': (router) => {
      router.ignore('dynamic_stats');
      router.only('start_child_span', false);
      return { kind: 'router' };
    },
  });
  return { name, ...(filter ?? { kind: 'router' }) };
}

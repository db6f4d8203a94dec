/** Decodes `envoy.extensions.filters.http.ext_authz.v3.ExtAuthz`, for gRPC services. */
import type {
  BufferSettings,
  ExtAuthz as ExtAuthzJson,
  ExtAuthzPerRoute as PerRouteJson,
  HttpStatus,
  ListStringMatcher,
  MetadataMatcher,
} from './envoy.gen.ts';
import { readMetadataPlace, readExactValue } from './custom-response-decoder.ts';
import type { MetadataCondition } from './custom-response.ts';
import type { CheckedBodyConfig, ExtAuthzConfig, ExtAuthzRouteConfig } from './ext-authz.ts';
import type { Fields } from './fields.ts';
import { statusOfName } from './http-status.ts';
import type { StringMatcher } from './route.ts';
import { readStringMatcher } from './route-match-decoder.ts';

export function readExtAuthz(fields: Fields<ExtAuthzJson>, isDisabled: boolean): ExtAuthzConfig {
  const service = fields.required('grpc_service');
  const cluster = service.required('envoy_grpc');
  const enabled = fields.message('filter_enabled_metadata');
  const body = fields.message('with_request_body');
  const timeoutMs = service.durationMs('timeout', 200);
  fields.choice('transport_api_version', ['AUTO', 'V3']);
  return {
    kind: 'ext_authz',
    isDisabled,
    enabledMetadata: enabled && readMetadataMatcher(enabled),
    metadataNamespaces: fields.take('metadata_context_namespaces') ?? [],
    clusterName: cluster.name('cluster_name'),
    authority: cluster.text('authority'),
    timeoutMs,
    failureModeAllow: fields.flag('failure_mode_allow'),
    failureModeAllowHeaderAdd: fields.flag('failure_mode_allow_header_add'),
    statusOnError: readStatus(fields.message('status_on_error'), 403),
    allowedHeaders: readNames(fields.message('allowed_headers')),
    disallowedHeaders: readNames(fields.message('disallowed_headers')) ?? [],
    requestBody: body && readBody(body),
    statPrefix: fields.text('stat_prefix'),
  };
}

function readMetadataMatcher(fields: Fields<MetadataMatcher>): MetadataCondition {
  return { ...readMetadataPlace(fields), value: readExactValue(fields) };
}

function readBody(fields: Fields<BufferSettings>): CheckedBodyConfig {
  return {
    maxBytes: fields.number('max_request_bytes', { defaultValue: 0, min: 1 }),
    allowsPartial: fields.flag('allow_partial_message'),
    isPackedAsBytes: fields.flag('pack_as_bytes'),
  };
}

function readNames(fields: Fields<ListStringMatcher> | undefined): StringMatcher[] | undefined {
  return fields?.list('patterns', readStringMatcher);
}

function readStatus(fields: Fields<HttpStatus> | undefined, unset: number): number {
  const name = fields?.take('code');
  if (fields === undefined || name === undefined) return unset;
  const status = statusOfName(name);
  if (status === undefined) fields.fail('code', `must be the name of an HTTP status, got ${name}`);
  return status ?? unset;
}

export function readExtAuthzPerRoute(fields: Fields<PerRouteJson>): ExtAuthzRouteConfig {
  const isDisabled = fields.flag('disabled');
  const settings = fields.message('check_settings');
  if (isDisabled === (settings !== undefined)) fields.failHere('must have one of disabled and check_settings');
  settings?.only('disable_request_body_buffering', false);
  const contextExtensions = settings?.take('context_extensions') ?? {};
  return { kind: 'ext_authz_per_route', isDisabled, contextExtensions };
}

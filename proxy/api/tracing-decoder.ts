/** Decodes tracing: of the HTTP connection manager, of routes, and the OpenTelemetry provider. */
import type {
  CustomTag as CustomTagJson,
  Decorator as DecoratorJson,
  HeaderValueOption as HeaderValueOptionJson,
  HttpConnectionManager_Tracing as TracingJson,
  envoy_config_core_v3_HttpService as HttpServiceJson,
  OpenTelemetryConfig as OpenTelemetryConfigJson,
  Percent,
  envoy_config_route_v3_Tracing as RouteTracingJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { show } from './field-path.ts';
import { readProbability } from './fraction-decoder.ts';
import type { CustomTag, Decorator, OpenTelemetryProvider, RouteTracing, Sampling, Tracing } from './tracing.ts';

export function readTracing(fields: Fields<TracingJson>): Tracing {
  // Envoy's OpenTelemetry tracer makes no annotations, verbose or not.
  fields.ignore('verbose');
  fields.only('spawn_upstream_span', false);
  const provider = fields.required('provider');
  provider.name('name');
  return {
    sampling: {
      client: readPercent(fields.message('client_sampling')),
      random: readPercent(fields.message('random_sampling')),
      overall: readPercent(fields.message('overall_sampling')),
    },
    customTags: fields.list('custom_tags', readCustomTag).flat(),
    maxPathTagLength: fields.number('max_path_tag_length', { defaultValue: 256 }),
    provider: provider.typed('typed_config', {
      'envoy.config.trace.v3.OpenTelemetryConfig': readOpenTelemetry,
    }) ?? { serviceName: '', clusterName: '', authority: '', path: '', timeoutMs: 0, headers: [] },
  };
}

/** Unset is all. */
function readPercent(fields: Fields<Percent> | undefined): number {
  return fields === undefined ? 1 : fields.number('value', { defaultValue: 0, max: 100 }) / 100;
}

export function readRouteTracing(fields: Fields<RouteTracingJson>): RouteTracing {
  const client = fields.message('client_sampling');
  const random = fields.message('random_sampling');
  const overall = fields.message('overall_sampling');
  const sampling: Sampling = {
    client: client === undefined ? 1 : readProbability(client),
    random: random === undefined ? 1 : readProbability(random),
    overall: overall === undefined ? 1 : readProbability(overall),
  };
  return { sampling, customTags: fields.list('custom_tags', readCustomTag).flat() };
}

export function readDecorator(fields: Fields<DecoratorJson>): Decorator {
  return { operation: fields.name('operation'), isPropagated: fields.flag('propagate', true) };
}

export function readCustomTag(fields: Fields<CustomTagJson>): CustomTag[] {
  const tag = fields.name('tag');
  const literal = fields.message('literal');
  if (literal !== undefined) return [{ kind: 'literal', tag, value: literal.name('value') }];
  const environment = fields.message('environment');
  if (environment !== undefined) {
    const defaultValue = environment.text('default_value');
    return [{ kind: 'environment', tag, name: environment.name('name'), defaultValue }];
  }
  const header = fields.message('request_header');
  if (header !== undefined) {
    const name = header.name('name').toLowerCase();
    return [{ kind: 'request_header', tag, name, defaultValue: header.text('default_value') }];
  }
  if (!fields.has('metadata')) fields.failHere('must have one of literal, environment and request_header');
  return [];
}

function readOpenTelemetry(fields: Fields<OpenTelemetryConfigJson>): OpenTelemetryProvider {
  const service = fields.required('http_service');
  const uri = service.required('http_uri');
  const { authority, path } = readUri(uri.name('uri'), (message) => uri.fail('uri', message));
  const timeoutMs = uri.durationMs('timeout', 0);
  if (timeoutMs === 0) uri.fail('timeout', 'must be set, to more than 0');
  return {
    // As Envoy calls what has no name.
    serviceName: fields.text('service_name') || 'unknown_service:envoy',
    clusterName: uri.name('cluster'),
    authority,
    path,
    timeoutMs,
    headers: readExportHeaders(service),
  };
}

function readUri(uri: string, fail: (message: string) => void): { authority: string; path: string } {
  const url = URL.canParse(uri) ? new URL(uri) : undefined;
  // The connection comes from the cluster, which speaks plain HTTP.
  if (url?.protocol !== 'http:') {
    fail(`must be an http URL, got ${show(uri)}`);
    return { authority: '', path: '' };
  }
  return { authority: url.host, path: url.pathname + url.search };
}

/** As they are: format variables have no request to speak of. */
function readExportHeaders(fields: Fields<HttpServiceJson>): OpenTelemetryProvider['headers'] {
  return fields.list('request_headers_to_add', (option: Fields<HeaderValueOptionJson>) => {
    option.ignore('append_action');
    const header = option.required('header');
    const [name, value] = [header.name('key').toLowerCase(), header.text('value')];
    if (!/^[!#$%&'*+.^_`|~\w-]*$/.test(name)) header.fail('key', `must be the name of a header field`);
    if (/[\r\n\0]/.test(value)) header.fail('value', 'must be one line');
    return { name, value };
  });
}

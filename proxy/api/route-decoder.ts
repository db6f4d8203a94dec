/** Decodes `envoy.config.route.v3.RouteConfiguration`. */
import type { Decoded } from '../common/decoded.ts';
import type {
  Route as RouteJson,
  RouteConfiguration as RouteConfigurationJson,
  VirtualHost as VirtualHostJson,
} from './envoy.gen.ts';
import { decodeFields, type Fields } from './fields.ts';
import { show } from './field-path.ts';
import { readFilterConfigs } from './filter-config-decoder.ts';
import { readHeaderMutations } from './header-mutation-decoder.ts';
import { defaultMaxBodyBytes, readDirectResponse, readRedirect } from './local-action-decoder.ts';
import { readRouteAction } from './route-action-decoder.ts';
import { readRouteMatch } from './route-match-decoder.ts';
import type { Route, RouteConfiguration, VirtualHost } from './route.ts';
import { readDecorator, readRouteTracing } from './tracing-decoder.ts';

export function decodeRouteConfiguration(json: RouteConfigurationJson): Decoded<RouteConfiguration> {
  return decodeFields(json, '', readRouteConfiguration);
}

/** Routes may name clusters that do not exist, or not yet: such a request is answered with 503 and flag NC. */
export function readRouteConfiguration(fields: Fields<RouteConfigurationJson>): RouteConfiguration {
  fields.ignore('metadata');
  fields.only('validate_clusters', false);
  const maxBodyBytes = fields.number('max_direct_response_body_size_bytes', { defaultValue: defaultMaxBodyBytes });
  const seen = { names: new Set<string>(), domains: new Set<string>() };
  return {
    name: fields.text('name'),
    ignoresPort: fields.flag('ignore_port_in_host_matching'),
    virtualHosts: fields.list('virtual_hosts', (host) => {
      const virtualHost = readVirtualHost(host, maxBodyBytes);
      checkUnique(host, virtualHost, seen);
      return virtualHost;
    }),
    filterConfigs: readFilterConfigs(fields),
    headers: readHeaderMutations(fields),
  };
}

function readVirtualHost(fields: Fields<VirtualHostJson>, maxBodyBytes: number): VirtualHost {
  fields.ignore('metadata');
  const name = fields.name('name');
  const domains = fields.take('domains') ?? [];
  if (domains.length === 0) fields.fail('domains', 'must name at least one domain');
  for (const domain of domains) {
    if (domain === '' || domain.slice(1, -1).includes('*') || (domain.length > 1 && /^\*.*\*$/.test(domain))) {
      fields.fail('domains', `must be names with at most one "*", at an end, got ${show(domain)}`);
    }
  }
  const routes = fields.list('routes', (route) => readRoute(route, maxBodyBytes));
  return {
    name,
    domains,
    routes,
    requiresTls: fields.choice('require_tls', ['NONE', 'EXTERNAL_ONLY', 'ALL']),
    includesAttemptCount: fields.flag('include_request_attempt_count'),
    bufferLimitBytes: fields.take('per_request_buffer_limit_bytes'),
    filterConfigs: readFilterConfigs(fields),
    headers: readHeaderMutations(fields),
  };
}

function checkUnique(
  fields: Fields<VirtualHostJson>,
  { name, domains }: VirtualHost,
  seen: { readonly names: Set<string>; readonly domains: Set<string> },
): void {
  if (seen.names.has(name)) fields.fail('name', `must be unique, got ${show(name)} again`);
  seen.names.add(name);
  for (const domain of domains.map((domain) => domain.toLowerCase())) {
    if (seen.domains.has(domain)) fields.fail('domains', `must be unique, got ${show(domain)} again`);
    seen.domains.add(domain);
  }
}

function readRoute(fields: Fields<RouteJson>, maxBodyBytes: number): Route {
  fields.ignore('metadata');
  const decorator = fields.message('decorator');
  const tracing = fields.message('tracing');
  return {
    name: fields.text('name'),
    match: readRouteMatch(fields.required('match')),
    action: readAction(fields, maxBodyBytes),
    bufferLimitBytes: fields.take('per_request_buffer_limit_bytes'),
    filterConfigs: readFilterConfigs(fields),
    headers: readHeaderMutations(fields),
    statPrefix: fields.text('stat_prefix'),
    decorator: decorator && readDecorator(decorator),
    tracing: tracing && readRouteTracing(tracing),
  };
}

function readAction(fields: Fields<RouteJson>, maxBodyBytes: number): Route['action'] {
  const directResponse = fields.message('direct_response');
  if (directResponse !== undefined) return readDirectResponse(directResponse, maxBodyBytes);
  const redirect = fields.message('redirect');
  if (redirect !== undefined) return readRedirect(redirect);
  const route = fields.message('route');
  if (route !== undefined) return readRouteAction(route);
  if (!fields.has('filter_action') && !fields.has('non_forwarding_action')) {
    fields.failHere('must have one of route, redirect and direct_response');
  }
  return { kind: 'direct_response', status: 503, body: Buffer.alloc(0) };
}

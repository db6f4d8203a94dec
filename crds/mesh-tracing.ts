/** What MeshConfig says about tracing: who gets the spans, and how many requests are sampled. */
import type { Static } from 'typebox';
import { durationFault } from './duration.ts';
import type { Findings } from './findings.ts';
import { headerNameFault } from './names.ts';
import * as s from './schema.ts';

export const openTelemetryProvider = s.record({
  /** Host of a service of the mesh, which a Service or a ServiceEntry declares; `NAMESPACE/HOST` is accepted. */
  service: s.string,
  port: s.port,
  /** Characters of the path in `http.url`; default 256. */
  maxTagLength: s.optional(s.uint32),
  /** OTLP over HTTP is the only transport. */
  http: s.record({
    /** Where the collector takes traces, for example `/v1/traces`. */
    path: s.string,
    /** Of one export; default 3 s. */
    timeout: s.optional(s.duration),
    headers: s.optional(s.listOf(s.record({ name: s.string, value: s.string }))),
  }),
});

/** `tracing.sampling`: percent of the requests about which nobody has decided yet; default 1, as in Istio. */
export const defaultConfig = s.message({
  tracing: s.message({ sampling: s.optional(s.percentNumber) }),
});

export interface MeshTracing {
  readonly enableTracing?: boolean;
  readonly extensionProviders?: readonly { readonly name: string; readonly opentelemetry?: OpenTelemetryTracing }[];
  /** The first one is used. */
  readonly defaultProviders?: { readonly tracing?: readonly string[] };
  readonly defaultConfig?: Static<typeof defaultConfig>;
}

export type OpenTelemetryTracing = Static<typeof openTelemetryProvider>;

/** The provider in force; undefined: nothing is traced. */
export function tracingProviderOf(config: MeshTracing): OpenTelemetryTracing | undefined {
  const [name] = config.defaultProviders?.tracing ?? [];
  if (config.enableTracing === false || name === undefined) return undefined;
  return config.extensionProviders?.find((provider) => provider.name === name)?.opentelemetry;
}

export function checkMeshTracing(config: MeshTracing, findings: Findings): void {
  const { enableTracing, extensionProviders: providers = [], defaultConfig: defaults } = config;
  const names = new Set(providers.filter(({ opentelemetry }) => opentelemetry !== undefined).map(({ name }) => name));
  const chosen = config.defaultProviders?.tracing ?? [];
  if (chosen.length > 1) findings.error('defaultProviders.tracing', `must name one provider, got ${chosen.length}`);
  chosen.forEach((name, i) => {
    if (names.has(name)) return;
    findings.error(
      `defaultProviders.tracing[${i}]`,
      `must be the name of an extension provider, got ${JSON.stringify(name)}`,
    );
  });
  if (chosen.length > 0) return;
  // Istio would send Zipkin's format to a service of that name.
  if (enableTracing === true) findings.error('enableTracing', 'needs defaultProviders.tracing: nobody gets the spans');
  if (defaults?.tracing !== undefined) {
    findings.error('defaultConfig.tracing', 'needs defaultProviders.tracing: nobody gets the spans');
  }
}

export function checkOpenTelemetry({ service, http }: OpenTelemetryTracing, path: string, findings: Findings): void {
  if (service === '') findings.error(`${path}.service`, 'must be set');
  if (!http.path.startsWith('/')) findings.error(`${path}.http.path`, 'must begin with /');
  if (http.timeout !== undefined) findings.expect(`${path}.http.timeout`, durationFault(http.timeout));
  http.headers?.forEach(({ name, value }, i) => {
    findings.expect(`${path}.http.headers[${i}].name`, headerNameFault(name));
    if (/[\r\n\0]/.test(value)) findings.error(`${path}.http.headers[${i}].value`, 'must be one line');
  });
}

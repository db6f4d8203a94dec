/**
 * How a mesh's access logs look: the fields of MeshConfig about them, and their checks. Source: istio/api
 * mesh/v1alpha1/config.proto.
 */
import { parseFormat } from '../proxy/common/format-string.ts';
import { Type, type Static } from 'typebox';
import { childPath, didYouMean, type Findings, show } from './findings.ts';
import { headerNameFault } from './names.ts';
import * as s from './schema.ts';

/** A JSON log's object: texts with %VARIABLES%, what is the same in every line, and lists and objects of these. */
export type AccessLogLabels = Readonly<Record<string, unknown>>;

export const fileAccessLog = s.message({
  /** Default `/dev/stdout`. */
  path: s.string,
  /** One of both; default Istio's line of text. Without labels in it `labels` is Istio's object. */
  logFormat: s.message({ text: s.string, labels: Type.Unsafe<AccessLogLabels>(s.mapOf(Type.Unknown())) }),
  /** Leaves out what has no value, instead of writing `-`. */
  omitEmptyValues: s.boolean,
});

export type FileAccessLogSettings = Static<typeof fileAccessLog>;

const accessLogService = {
  /** Host of a service of the mesh, which a Service or a ServiceEntry declares; `NAMESPACE/HOST` is accepted. */
  service: s.string,
  port: s.port,
  /** How the stream calls itself; default Istio's `http_envoy_accesslog` and `tcp_envoy_accesslog`. */
  logName: s.optional(s.string),
};

/** Entries of requests, sent to Envoy's access-log service. */
export const httpAccessLogService = s.record({
  ...accessLogService,
  additionalRequestHeadersToLog: s.optional(s.strings),
  additionalResponseHeadersToLog: s.optional(s.strings),
});

/** Entries of connections that carry no requests that the proxy knows. */
export const tcpAccessLogService = s.record(accessLogService);

export type HttpAccessLogService = Static<typeof httpAccessLogService>;
export type TcpAccessLogService = Static<typeof tcpAccessLogService>;

export const accessLogFields = {
  /** Where both listeners of every sidecar log, unless a Telemetry or `defaultProviders` says otherwise; '' = nowhere. */
  accessLogFile: s.string,
  /** Of `accessLogFile` and the provider `envoy`: a text, or the text of a JSON object; default Istio's. */
  accessLogFormat: s.string,
  /** Default TEXT. */
  accessLogEncoding: s.oneOf('TEXT', 'JSON'),
};

const accessLogSchema = s.message(accessLogFields);

export interface AccessLogConfig extends Static<typeof accessLogSchema> {
  readonly extensionProviders?: readonly {
    readonly name: string;
    readonly envoyFileAccessLog?: FileAccessLogSettings;
    readonly envoyHttpAls?: HttpAccessLogService;
    readonly envoyTcpAls?: TcpAccessLogService;
  }[];
  /** Providers that log where no Telemetry says otherwise; instead of `accessLogFile`. */
  readonly defaultProviders?: { readonly accessLogging?: readonly string[] };
}

export interface FileLogProvider {
  readonly name: string;
  readonly envoyFileAccessLog: FileAccessLogSettings;
}

/** An extension provider that takes access logs. */
export type AccessLogProvider =
  | FileLogProvider
  | { readonly name: string; readonly envoyHttpAls: HttpAccessLogService }
  | { readonly name: string; readonly envoyTcpAls: TcpAccessLogService };

/** Istio's provider that every mesh has; one of this name in the file replaces it. */
export const builtInProvider: FileLogProvider = { name: 'envoy', envoyFileAccessLog: { path: '/dev/stdout' } };

/** By name in lower case. */
export function accessLogProviders({ extensionProviders = [] }: AccessLogConfig): Map<string, AccessLogProvider> {
  const declared = extensionProviders.flatMap(
    ({ name, envoyFileAccessLog, envoyHttpAls, envoyTcpAls }): AccessLogProvider[] => {
      if (envoyFileAccessLog !== undefined) return [{ name, envoyFileAccessLog }];
      if (envoyHttpAls !== undefined) return [{ name, envoyHttpAls }];
      return envoyTcpAls === undefined ? [] : [{ name, envoyTcpAls }];
    },
  );
  return new Map([builtInProvider, ...declared].map((provider) => [provider.name.toLowerCase(), provider]));
}

/** `NAMESPACE/HOST` is the host alone: names of hosts are of the mesh. */
export function hostOfService(service: string): string {
  return service.slice(service.indexOf('/') + 1);
}

/** Whether access logs are sent to this port of a host, which speaks gRPC then. */
export function takesAccessLogs(
  { extensionProviders = [] }: AccessLogConfig,
  { hostname, port }: { readonly hostname: string; readonly port: number },
): boolean {
  return extensionProviders.some(({ envoyHttpAls, envoyTcpAls }) =>
    [envoyHttpAls, envoyTcpAls].some(
      (target) => target !== undefined && target.port === port && hostOfService(target.service) === hostname,
    ),
  );
}

/** What is wrong with the name of a provider; undefined when there is one. */
export function providerFault(name: string, config: AccessLogConfig): string | undefined {
  const known = accessLogProviders(config);
  if (known.has(name.toLowerCase())) return undefined;
  const names = [...known.values()].map((provider) => provider.name);
  const hint = didYouMean(name, names) || `, known are ${names.join(', ')}`;
  return `no provider of access logs ${show(name)} is in the mesh configuration${hint}`;
}

export function checkAccessLogs(config: AccessLogConfig, findings: Findings): void {
  const { accessLogFormat = '', accessLogEncoding = 'TEXT' } = config;
  if (accessLogEncoding === 'TEXT') checkText(accessLogFormat, 'accessLogFormat', findings);
  else checkJsonText(accessLogFormat, findings);
  for (const [index, name] of (config.defaultProviders?.accessLogging ?? []).entries()) {
    findings.expect(`defaultProviders.accessLogging[${index}]`, providerFault(name, config));
  }
}

/** Of a format that `checkAccessLogs` has accepted; undefined for an empty text. */
export function labelsOf(format: string): AccessLogLabels | undefined {
  return format === '' ? undefined : (JSON.parse(format) as AccessLogLabels);
}

function checkJsonText(format: string, findings: Findings): void {
  if (format === '') return;
  let labels: unknown;
  try {
    labels = JSON.parse(format);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return findings.error('accessLogFormat', `must be a JSON object where accessLogEncoding is JSON: ${reason}`);
  }
  if (typeof labels !== 'object' || labels === null || Array.isArray(labels)) {
    return findings.error('accessLogFormat', `must be a JSON object where accessLogEncoding is JSON, got ${format}`);
  }
  checkLabels(labels, '', (key, message) => findings.error('accessLogFormat', `${key}: ${message}`));
}

export function checkFileAccessLog({ logFormat }: FileAccessLogSettings, path: string, findings: Findings): void {
  const { text, labels } = logFormat ?? {};
  const at = `${path}.logFormat`;
  if (text !== undefined && labels !== undefined) findings.error(at, 'must have only one of text and labels');
  if (text !== undefined) checkText(text, `${at}.text`, findings);
  if (labels !== undefined) checkLabels(labels, `${at}.labels`, (key, message) => findings.error(key, message));
}

export function checkAccessLogService(
  { service, ...headers }: HttpAccessLogService,
  path: string,
  findings: Findings,
): void {
  if (hostOfService(service) === '') findings.error(`${path}.service`, 'must be set');
  for (const field of ['additionalRequestHeadersToLog', 'additionalResponseHeadersToLog'] as const) {
    for (const [index, name] of (headers[field] ?? []).entries()) {
      findings.expect(`${path}.${field}[${index}]`, headerNameFault(name));
    }
  }
}

function checkText(format: string, path: string, findings: Findings): void {
  for (const { message } of parseFormat(format).errors ?? []) findings.error(path, message);
}

/** `report` is given the path of each fault. */
function checkLabels(value: unknown, path: string, report: (path: string, message: string) => void): void {
  if (typeof value === 'string') {
    for (const { message } of parseFormat(value).errors ?? []) report(path, message);
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) checkLabels(item, `${path}[${index}]`, report);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, child] of Object.entries(value)) checkLabels(child, childPath(path, key), report);
  }
}

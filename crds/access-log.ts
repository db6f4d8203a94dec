/**
 * How a mesh's access logs look: the fields of MeshConfig about them, and their checks. Source: istio/api
 * mesh/v1alpha1/config.proto.
 */
import { parseFormat } from '../proxy/common/format-string.ts';
import { Type, type Static } from 'typebox';
import { childPath, didYouMean, type Findings, show } from './findings.ts';
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
  }[];
  /** Providers that log where no Telemetry says otherwise; instead of `accessLogFile`. */
  readonly defaultProviders?: { readonly accessLogging?: readonly string[] };
}

/** An extension provider that writes access logs. */
export interface AccessLogProvider {
  readonly name: string;
  readonly envoyFileAccessLog: FileAccessLogSettings;
}

/** Istio's provider that every mesh has; one of this name in the file replaces it. */
export const builtInProvider: AccessLogProvider = { name: 'envoy', envoyFileAccessLog: { path: '/dev/stdout' } };

/** By name in lower case. */
export function accessLogProviders({ extensionProviders = [] }: AccessLogConfig): Map<string, AccessLogProvider> {
  const declared = extensionProviders.flatMap(({ name, envoyFileAccessLog }) =>
    envoyFileAccessLog === undefined ? [] : [{ name, envoyFileAccessLog }],
  );
  return new Map([builtInProvider, ...declared].map((provider) => [provider.name.toLowerCase(), provider]));
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

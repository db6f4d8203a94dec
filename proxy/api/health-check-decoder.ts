/** Decodes `envoy.config.core.v3.HealthCheck`. */
import type {
  Cluster as ClusterJson,
  HeaderValueOption,
  HealthCheck as HealthCheckJson,
  HealthCheck_HttpHealthCheck as HttpHealthCheckJson,
  HealthCheck_Payload as PayloadJson,
  HealthCheck_TcpHealthCheck as TcpHealthCheckJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import type { CheckIntervals, HealthCheck, HttpProbe, StatusRange, TcpProbe } from './health-check.ts';

/** The check of a cluster. Envoy's list has one entry at most: more are refused by Envoy too. */
export function readHealthCheck(cluster: Fields<ClusterJson>, clusterName: string): HealthCheck | undefined {
  const isHealthIgnoredOnRemoval = cluster.flag('ignore_health_on_host_removal');
  const [check, ...more] = cluster.list('health_checks', (fields) => readCheck(fields, clusterName));
  if (more.length > 0) cluster.fail('health_checks', 'must have one entry at most');
  return check && { ...check, isHealthIgnoredOnRemoval };
}

function readCheck(
  fields: Fields<HealthCheckJson>,
  clusterName: string,
): Omit<HealthCheck, 'isHealthIgnoredOnRemoval'> {
  return {
    probe: readProbe(fields, clusterName),
    timeoutMs: readPositive(fields, 'timeout'),
    intervals: readIntervals(fields),
    initialJitterMs: fields.durationMs('initial_jitter', 0),
    intervalJitterMs: fields.durationMs('interval_jitter', 0),
    intervalJitterPercent: fields.number('interval_jitter_percent', { defaultValue: 0 }),
    unhealthyThreshold: readThreshold(fields, 'unhealthy_threshold'),
    healthyThreshold: readThreshold(fields, 'healthy_threshold'),
    isConnectionReused: fields.flag('reuse_connection', true),
  };
}

type DurationKey = Extract<keyof HealthCheckJson, 'timeout' | `${string}interval`>;

/** Must be set unless there is a default. A default that follows from a fault is not one more. */
function readPositive(fields: Fields<HealthCheckJson>, key: DurationKey, defaultMs?: number): number {
  const isSet = fields.has(key);
  const ms = fields.durationMs(key, defaultMs ?? 0);
  if (ms === 0 && (isSet || defaultMs === undefined)) fields.fail(key, 'must be more than 0s');
  return ms;
}

function readThreshold(fields: Fields<HealthCheckJson>, key: 'unhealthy_threshold' | 'healthy_threshold'): number {
  if (!fields.has(key)) fields.fail(key, 'must be set');
  return fields.number(key, { defaultValue: 1, min: 1 });
}

function readIntervals(fields: Fields<HealthCheckJson>): CheckIntervals {
  const healthyMs = readPositive(fields, 'interval');
  const unhealthyMs = readPositive(fields, 'unhealthy_interval', healthyMs);
  const noTrafficMs = readPositive(fields, 'no_traffic_interval', 60_000);
  return {
    healthyMs,
    unhealthyMs,
    healthyEdgeMs: readPositive(fields, 'healthy_edge_interval', healthyMs),
    unhealthyEdgeMs: readPositive(fields, 'unhealthy_edge_interval', unhealthyMs),
    noTrafficMs,
    noTrafficHealthyMs: readPositive(fields, 'no_traffic_healthy_interval', noTrafficMs),
  };
}

function readProbe(fields: Fields<HealthCheckJson>, clusterName: string): HttpProbe | TcpProbe {
  const http = fields.message('http_health_check');
  const tcp = fields.message('tcp_health_check');
  if (http !== undefined) return readHttpProbe(http, clusterName);
  if (tcp === undefined) fields.failHere('must have http_health_check or tcp_health_check');
  return tcp === undefined ? { kind: 'tcp', send: noBytes, receive: [] } : readTcpProbe(tcp);
}

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH'] as const;

function readHttpProbe(fields: Fields<HttpHealthCheckJson>, clusterName: string): HttpProbe {
  fields.only('codec_client_type', 'HTTP1');
  const path = fields.name('path');
  if (!/^\/[!-~]*$/.test(path) && path !== '') fields.fail('path', `must be a path, got ${JSON.stringify(path)}`);
  const host = fields.text('host') || clusterName;
  if (/[\s\0]/.test(host)) fields.fail('host', `must be a host, got ${JSON.stringify(host)}`);
  const expectedStatuses = readStatuses(fields, 'expected_statuses');
  return {
    kind: 'http',
    host,
    path,
    method: fields.take('method') === 'METHOD_UNSPECIFIED' ? 'GET' : fields.choice('method', methods),
    headers: fields.list('request_headers_to_add', readHeader),
    expectedStatuses: expectedStatuses.length === 0 ? [{ start: 200, end: 201 }] : expectedStatuses,
    retriableStatuses: readStatuses(fields, 'retriable_statuses'),
  };
}

function readStatuses(
  fields: Fields<HttpHealthCheckJson>,
  key: 'expected_statuses' | 'retriable_statuses',
): StatusRange[] {
  return fields.list(key, (range) => {
    const start = range.number('start', { defaultValue: 0 });
    const end = range.number('end', { defaultValue: 0 });
    if (start < 100 || end > 600 || start >= end) range.failHere('must be a range [start, end) within [100, 600)');
    return { start, end };
  });
}

/** Checks belong to no request, so there is nothing that a format could put in. */
function readHeader(fields: Fields<HeaderValueOption>): HttpProbe['headers'][number] {
  fields.only('append_action', 'APPEND_IF_EXISTS_OR_ADD');
  const header = fields.required('header');
  const name = header.name('key').toLowerCase();
  const value = header.text('value');
  if (!/^[!#$%&'*+.^_`|~\w-]*$/.test(name)) header.fail('key', 'must be the name of a header field');
  if (['host', 'content-length', 'transfer-encoding', 'connection'].includes(name)) {
    header.fail('key', `must not be ${name}`);
  }
  if (/[\r\n\0%]/.test(value)) header.fail('value', 'must be one line of plain text without %');
  return { name, value };
}

function readTcpProbe(fields: Fields<TcpHealthCheckJson>): TcpProbe {
  const send = fields.message('send');
  return {
    kind: 'tcp',
    send: send === undefined ? noBytes : readPayload(send),
    receive: fields.list('receive', readPayload).filter(({ length }) => length > 0),
  };
}

/** `text` is in hexadecimal digits, as Envoy has it. */
function readPayload(fields: Fields<PayloadJson>): Uint8Array {
  const binary = fields.take('binary');
  if (binary !== undefined) return Buffer.from(binary, 'base64');
  const text = fields.name('text');
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(text)) fields.fail('text', 'must be pairs of hexadecimal digits');
  return Buffer.from(text, 'hex');
}

const noBytes = new Uint8Array();

/**
 * Access logs of a listener as Envoy's access loggers, to files and to access-log services. Formats: istio.io,
 * tasks/observability/logs/access-log.
 */
import {
  type AccessLogConfig,
  type AccessLogLabels,
  builtInProvider,
  type AccessLogProvider,
  type FileLogProvider,
  hostOfService,
  type HttpAccessLogService,
  labelsOf,
  type TcpAccessLogService,
} from '../../crds/access-log.ts';
import { parseLogFilter } from '../../crds/log-filter.ts';
import { destinationWorkloadTag, reporterTag, traceParentHeader } from '../../proxy/api/access-log-service.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  AccessLog,
  AccessLogFilter,
  CommonGrpcAccessLogConfig,
  CustomTag,
  FileAccessLog,
  HttpConnectionManager,
  SubstitutionFormatString,
} from '../../proxy/api/envoy.gen.ts';
import type { Client } from '../model/client.ts';
import type { ListenerLog, Telemetries, WorkloadMode } from '../model/telemetries.ts';
import { buildAccessLogFilter } from './access-log-filter.ts';
import { outboundClusterName } from './cluster-name.ts';

const fileAccessLogType = typeUrlOf('envoy.extensions.access_loggers.file.v3.FileAccessLog');
const httpGrpcType = typeUrlOf('envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig');
const tcpGrpcType = typeUrlOf('envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig');

/** Loggers of requests and of connections: each belongs into one kind of filter. Files take both. */
export const httpGrpcLogName = 'envoy.access_loggers.http_grpc';
export const tcpGrpcLogName = 'envoy.access_loggers.tcp_grpc';

/** Istio's object of a JSON line; its line of text has the values of the same variables in its own order. */
const defaultLabels = {
  authority: '%REQ(:AUTHORITY)%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  duration: '%DURATION%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  request_id: '%REQ(X-REQUEST-ID)%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  response_code: '%RESPONSE_CODE%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  response_flags: '%RESPONSE_FLAGS%',
  route_name: '%ROUTE_NAME%',
  start_time: '%START_TIME%',
  upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
  user_agent: '%REQ(USER-AGENT)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
} as const;

const d = defaultLabels;

const defaultText =
  `[${d.start_time}] "${d.method} ${d.path} ${d.protocol}" ${d.response_code} ${d.response_flags} ` +
  `${d.response_code_details} ${d.connection_termination_details} "${d.upstream_transport_failure_reason}" ` +
  `${d.bytes_received} ${d.bytes_sent} ${d.duration} ${d.upstream_service_time} "${d.x_forwarded_for}" ` +
  `"${d.user_agent}" "${d.request_id}" "${d.authority}" "${d.upstream_host}" ${d.upstream_cluster} ` +
  `${d.upstream_local_address} ${d.downstream_local_address} ${d.downstream_remote_address} ` +
  `${d.requested_server_name} ${d.route_name}\n`;

/** Nothing when nothing is logged. */
export function buildAccessLogs(
  telemetries: Telemetries,
  client: Client,
  mode: WorkloadMode,
): Pick<HttpConnectionManager, 'access_log'> {
  const logs = telemetries.logsOf(client, mode);
  if (logs.length === 0) return {};
  return { access_log: logs.map((log) => buildAccessLog(log, telemetries.meshConfig, mode)) };
}

export function buildAccessLog(
  { provider, expression }: ListenerLog,
  config: AccessLogConfig,
  mode: WorkloadMode,
): AccessLog {
  return { ...buildLogger(provider, config, mode), ...filterOf(expression) };
}

function buildLogger(provider: AccessLogProvider, config: AccessLogConfig, mode: WorkloadMode): AccessLog {
  if ('envoyFileAccessLog' in provider) {
    const file = buildFileLog(provider, config);
    return { name: 'envoy.access_loggers.file', typed_config: { '@type': fileAccessLogType, ...file } };
  }
  if ('envoyTcpAls' in provider) {
    const common_config = buildGrpcLog({ logName: 'tcp_envoy_accesslog', ...provider.envoyTcpAls }, mode);
    return { name: tcpGrpcLogName, typed_config: { '@type': tcpGrpcType, common_config } };
  }
  const { envoyHttpAls } = provider;
  const { additionalRequestHeadersToLog: requestHeaders = [], additionalResponseHeadersToLog = [] } = envoyHttpAls;
  const typed_config = {
    '@type': httpGrpcType,
    common_config: buildGrpcLog({ logName: 'http_envoy_accesslog', ...envoyHttpAls }, mode),
    // An entry has no field for its trace.
    additional_request_headers_to_log: [...new Set([...requestHeaders, traceParentHeader])],
    additional_response_headers_to_log: additionalResponseHeadersToLog,
  };
  return { name: httpGrpcLogName, typed_config };
}

function buildGrpcLog(
  { service, port, logName }: (HttpAccessLogService | TcpAccessLogService) & { readonly logName: string },
  mode: WorkloadMode,
): CommonGrpcAccessLogConfig {
  const hostname = hostOfService(service);
  const cluster_name = outboundClusterName({ port, subset: '', hostname });
  return {
    log_name: logName,
    transport_api_version: 'V3',
    // The name of the cluster, which Envoy would send instead, is no host: servers refuse it.
    grpc_service: { envoy_grpc: { cluster_name, authority: hostname } },
    custom_tags: mode === 'CLIENT' ? [...clientTags] : [reporterTagOf('destination')],
  };
}

function reporterTagOf(value: 'source' | 'destination'): CustomTag {
  return { tag: reporterTag, literal: { value } };
}

/** What a client knows of the workload that it called, nobody else does who reads its log. */
const clientTags: readonly CustomTag[] = [
  reporterTagOf('source'),
  {
    tag: destinationWorkloadTag,
    metadata: { kind: { host: {} }, metadata_key: { key: 'istio', path: [{ key: 'workload' }] } },
  },
];

/** The Telemetry's check has accepted the expression. */
function filterOf(expression: string | undefined): { filter?: AccessLogFilter } {
  const { filter } = expression === undefined ? {} : parseLogFilter(expression);
  return filter === undefined ? {} : { filter: buildAccessLogFilter(filter) };
}

function buildFileLog(provider: FileLogProvider, config: AccessLogConfig): FileAccessLog {
  const { path = '', logFormat, omitEmptyValues = false } = provider.envoyFileAccessLog;
  const isMeshFormat = logFormat === undefined && !omitEmptyValues && provider.name === builtInProvider.name;
  const format = isMeshFormat ? meshFormat(config) : formatOf(logFormat);
  const log_format = { ...format, ...(omitEmptyValues ? { omit_empty_values: true } : {}) };
  return { path: path || '/dev/stdout', log_format };
}

function meshFormat({ accessLogFormat = '', accessLogEncoding = 'TEXT' }: AccessLogConfig): SubstitutionFormatString {
  return accessLogEncoding === 'TEXT' ? textFormat(accessLogFormat) : jsonFormat(labelsOf(accessLogFormat));
}

type LogFormat = FileLogProvider['envoyFileAccessLog']['logFormat'];

function formatOf({ text = '', labels }: NonNullable<LogFormat> = {}): SubstitutionFormatString {
  return labels === undefined ? textFormat(text) : jsonFormat(labels);
}

/** Every line ends, also of a format that does not say so. */
function textFormat(text: string): SubstitutionFormatString {
  const line = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  return { text_format_source: { inline_string: line || defaultText } };
}

/** An object without labels is Istio's. */
function jsonFormat(labels: AccessLogLabels = {}): SubstitutionFormatString {
  return { json_format: Object.keys(labels).length === 0 ? defaultLabels : labels };
}

/** The tags of a span under Envoy's names (Envoy docs `arch_overview/observability/tracing`, `source/common/tracing`). */
import type { CustomTag } from '../api/tracing.ts';
import { HeaderName } from '../http/header-name.ts';
import type { HeaderMap } from '../http/header-map.ts';
import type { HttpStream } from '../http/stream.ts';
import type { SpanAttribute } from './span.ts';

const requestId = new HeaderName('x-request-id');
const clientTraceId = new HeaderName('x-client-trace-id');
const userAgent = new HeaderName('user-agent');
const downstreamCluster = new HeaderName('x-envoy-downstream-service-cluster');
const originalPath = new HeaderName('x-envoy-original-path');
const forwardedProto = new HeaderName('x-forwarded-proto');

export interface TagOptions {
  readonly nodeId: string;
  /** Characters of the path in `http.url`. */
  readonly maxPathTagLength: number;
}

/** When the stream is over. What has no value is `-`, or not there at all where Envoy leaves it out. */
export function tagsOf(stream: HttpStream, { nodeId, maxPathTagLength }: TagOptions): SpanAttribute[] {
  const { request, response, cluster } = stream;
  const { headers } = request;
  const { status } = response;
  const path = (headers.get(originalPath) ?? request.path).slice(0, maxPathTagLength);
  const name = cluster?.config.name;
  return [
    { key: 'node_id', value: nodeId },
    ...tag('guid:x-request-id', headers.get(requestId)),
    ...tag('guid:x-client-trace-id', headers.get(clientTraceId)),
    ...tag('http.url', `${headers.get(forwardedProto) ?? 'http'}://${request.authority}${path}`),
    ...tag('http.method', request.method),
    ...tag('downstream_cluster', headers.get(downstreamCluster) ?? '-'),
    ...tag('user_agent', headers.get(userAgent) ?? '-'),
    { key: 'http.protocol', value: stream.codec?.protocol ?? '-' },
    ...tag('peer.address', stream.codec?.remoteAddress.replace(/:\d+$/, '')),
    { key: 'request_size', value: String(stream.requestBytes) },
    { key: 'component', value: 'proxy' },
    ...(name === undefined ? [] : [{ key: 'upstream_cluster', value: name }]),
    ...(name === undefined ? [] : [{ key: 'upstream_cluster.name', value: name }]),
    ...tag('upstream_address', stream.host?.address),
    { key: 'http.status_code', value: String(status) },
    { key: 'response_size', value: String(stream.responseBytes) },
    { key: 'response_flags', value: stream.responseFlags },
    ...(status === 0 || status >= 500 ? [{ key: 'error', value: 'true' }] : []),
  ];
}

function tag(key: string, value: string | undefined): SpanAttribute[] {
  return value === undefined ? [] : [{ key, value: utf8(value) }];
}

/** Heads are read one byte per character; collectors take UTF-8. */
function utf8(latin1: string): string {
  return /[\u0080-\u00ff]/.test(latin1) ? Buffer.from(latin1, 'latin1').toString('utf8') : latin1;
}

export type CustomTagReader = (headers: HeaderMap) => SpanAttribute[];

/** The environment is read here, once; a header that is missing and has no default gives no tag, as in Envoy. */
export function compileCustomTag(custom: CustomTag): CustomTagReader {
  const { tag: key } = custom;
  if (custom.kind === 'request_header') {
    const header = new HeaderName(custom.name);
    const { defaultValue } = custom;
    return (headers) => tag(key, headers.get(header) ?? (defaultValue || undefined));
  }
  const value = custom.kind === 'literal' ? custom.value : (process.env[custom.name] ?? custom.defaultValue);
  const attributes = value === '' ? [] : [{ key, value }];
  return () => attributes;
}

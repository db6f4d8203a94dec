/** Decodes `envoy.config.core.v3.Http2ProtocolOptions`, of clusters and of HTTP connection managers. */
import type {
  Http2ProtocolOptions as Http2ProtocolOptionsJson,
  KeepaliveSettings as KeepaliveSettingsJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { defaultHttp2Options, type Http2Keepalive, type Http2Options } from './http2-options.ts';

/** RFC 9113 §6.5.2 and §6.9.1; Envoy's limits. */
const maxStreams = 2 ** 31 - 1;
const minWindowBytes = 65_535;
const maxWindowBytes = 2 ** 31 - 1;

/** Undefined: nothing is said, and all defaults hold. */
export function readHttp2Options(fields: Fields<Http2ProtocolOptionsJson> | undefined): Http2Options {
  if (fields === undefined) return defaultHttp2Options;
  checkFixedOptions(fields);
  const window = (key: 'initial_stream_window_size' | 'initial_connection_window_size', defaultValue: number): number =>
    fields.number(key, { defaultValue, min: minWindowBytes, max: maxWindowBytes });
  const { maxConcurrentStreams, initialStreamWindowBytes, initialConnectionWindowBytes } = defaultHttp2Options;
  const keepalive = fields.message('connection_keepalive');
  return {
    maxConcurrentStreams: fields.number('max_concurrent_streams', {
      defaultValue: maxConcurrentStreams,
      min: 1,
      max: maxStreams,
    }),
    initialStreamWindowBytes: window('initial_stream_window_size', initialStreamWindowBytes),
    initialConnectionWindowBytes: window('initial_connection_window_size', initialConnectionWindowBytes),
    keepalive: keepalive && readKeepalive(keepalive),
  };
}

/** What is as Envoy has it by default, and cannot be otherwise: a limit that is not kept must not be believed in. */
function checkFixedOptions(fields: Fields<Http2ProtocolOptionsJson>): void {
  fields.only('hpack_table_size', 4_096);
  fields.only('allow_connect', false);
  fields.only('allow_metadata', false);
  fields.only('stream_error_on_invalid_http_messaging', false);
  fields.only('override_stream_error_on_invalid_http_message', false);
  // Which of Envoy's two codecs it is.
  fields.ignore('use_oghttp2_codec');
}

/** Without an interval there is nothing to time out, as in Envoy. */
function readKeepalive(fields: Fields<KeepaliveSettingsJson>): Http2Keepalive | undefined {
  if (!fields.has('timeout')) fields.fail('timeout', 'must be set');
  const timeoutMs = readTime(fields, 'timeout');
  return fields.has('interval') ? { intervalMs: readTime(fields, 'interval'), timeoutMs } : undefined;
}

function readTime(fields: Fields<KeepaliveSettingsJson>, key: 'interval' | 'timeout'): number {
  const ms = fields.durationMs(key, 1);
  if (ms >= 0 && ms < 1) fields.fail(key, 'must be at least 0.001s');
  return ms;
}

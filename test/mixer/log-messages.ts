/** Messages of the access-log service, encoded from their JSON form: independent of the code under test. */
import { Client, credentials, type ClientWritableStream, type ServiceError } from '@grpc/grpc-js';
import { streamAccessLogs } from '../../proxy/api/access-log-service.ts';
import type {
  AccessLogCommon,
  HTTPAccessLogEntry,
  Node,
  StreamAccessLogsMessage,
  TCPAccessLogEntry,
} from '../../proxy/api/envoy.gen.ts';
import { encode } from '../../proxy/api/protojson.ts';
import { ManualClock } from '../support/manual-clock.ts';

/** As a test with a manual clock sees it at first. */
const startTime = new Date(new ManualClock().nowMs() - 1_000).toISOString();

export const reviews = 'outbound|9080|v2|reviews.shop.svc.cluster.local';

/** An Envoy that nobody injected. */
export const envoyNode: Node = {
  id: 'front-1',
  cluster: 'front',
  metadata: { NAMESPACE: 'edge', WORKLOAD_NAME: 'front', LABELS: { app: 'front', version: 'v9' } },
};

export function message(
  entries: Pick<StreamAccessLogsMessage, 'http_logs' | 'tcp_logs'>,
  node: Node | undefined = envoyNode,
): Uint8Array {
  const identifier = node === undefined ? {} : { identifier: { node, log_name: 'test' } };
  return encode('envoy.service.accesslog.v3.StreamAccessLogsMessage', { ...identifier, ...entries });
}

export function httpLogs(...log_entry: HTTPAccessLogEntry[]): Pick<StreamAccessLogsMessage, 'http_logs'> {
  return { http_logs: { log_entry } };
}

export function tcpLogs(...log_entry: TCPAccessLogEntry[]): Pick<StreamAccessLogsMessage, 'tcp_logs'> {
  return { tcp_logs: { log_entry } };
}

/** 200 after 3 ms, from `reviews`. */
export function httpEntry(common: AccessLogCommon = {}, rest: HTTPAccessLogEntry = {}): HTTPAccessLogEntry {
  return {
    common_properties: { start_time: startTime, duration: '0.003s', upstream_cluster: reviews, ...common },
    protocol_version: 'HTTP11',
    request: { request_method: 'GET', authority: 'reviews', path: '/', request_body_bytes: 7 },
    response: { response_code: 200, response_body_bytes: 100 },
    ...rest,
  };
}

export function tcpEntry(common: AccessLogCommon = {}, rest: TCPAccessLogEntry = {}): TCPAccessLogEntry {
  return {
    common_properties: { start_time: startTime, duration: '2s', upstream_cluster: reviews, ...common },
    connection_properties: { received_bytes: 10, sent_bytes: 2_000 },
    ...rest,
  };
}

export class LogClient {
  readonly #client: Client;

  constructor(port: number) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  }

  /** Sends these on a stream of its own; resolves with the mixer's error, if it had one. */
  async send(...messages: Uint8Array[]): Promise<ServiceError | null> {
    return new Promise((resolve) => {
      const { path, requestSerialize, responseDeserialize } = streamAccessLogs;
      const call: ClientWritableStream<Uint8Array> = this.#client.makeClientStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        resolve,
      );
      call.on('error', () => {});
      for (const each of messages) call.write(each);
      call.end();
    });
  }

  close(): void {
    this.#client.close();
  }
}

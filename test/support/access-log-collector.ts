/** An access-log service that keeps what it is sent, decoded by the generic codec. */
import { promisify } from 'node:util';
import { Server, ServerCredentials, type sendUnaryData, type ServerReadableStream } from '@grpc/grpc-js';
import { accessLogService } from '../../proxy/api/access-log-service.ts';
import type {
  AccessLog,
  CommonGrpcAccessLogConfig,
  HTTPAccessLogEntry,
  HttpGrpcAccessLogConfig,
  StreamAccessLogsMessage,
  TCPAccessLogEntry,
} from '../../proxy/api/envoy.gen.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import { decode } from '../../proxy/api/protojson.ts';
import { requireValue } from '../../proxy/common/decoded.ts';

export class AccessLogCollector {
  readonly messages: StreamAccessLogsMessage[] = [];
  /** Streams that were opened. */
  streams = 0;
  port = 0;
  readonly #server = new Server();
  readonly #calls = new Set<ServerReadableStream<Uint8Array, Uint8Array>>();

  constructor() {
    this.#server.addService(accessLogService, {
      streamAccessLogs: (call: ServerReadableStream<Uint8Array, Uint8Array>, answer: sendUnaryData<Uint8Array>) => {
        this.streams += 1;
        this.#calls.add(call);
        call.on('data', (bytes: Uint8Array) => {
          const decoded = decode('envoy.service.accesslog.v3.StreamAccessLogsMessage', bytes);
          this.messages.push(requireValue(decoded, 'message'));
        });
        call.on('error', () => {});
        call.on('end', () => answer(null, new Uint8Array(0)));
      },
    });
  }

  static async start(port = 0): Promise<AccessLogCollector> {
    const collector = new AccessLogCollector();
    const bind = promisify(collector.#server.bindAsync.bind(collector.#server));
    collector.port = await bind(`127.0.0.1:${port}`, ServerCredentials.createInsecure());
    return collector;
  }

  get httpEntries(): HTTPAccessLogEntry[] {
    return this.messages.flatMap(({ http_logs }) => http_logs?.log_entry ?? []);
  }

  get tcpEntries(): TCPAccessLogEntry[] {
    return this.messages.flatMap(({ tcp_logs }) => tcp_logs?.log_entry ?? []);
  }

  /** Reads no more: what senders send piles up. */
  stall(): void {
    for (const call of this.#calls) call.pause();
  }

  close(): void {
    this.#server.forceShutdown();
  }
}

/** The name of the cluster of the service. */
export const logClusterName = 'logs';

export function commonConfig(rest: CommonGrpcAccessLogConfig = {}): CommonGrpcAccessLogConfig {
  return {
    log_name: 'test',
    transport_api_version: 'V3',
    grpc_service: { envoy_grpc: { cluster_name: logClusterName } },
    buffer_flush_interval: '0.050s',
    ...rest,
  };
}

export function httpGrpcLog(rest: HttpGrpcAccessLogConfig = {}): AccessLog {
  const type = typeUrlOf('envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig');
  return {
    name: 'envoy.access_loggers.http_grpc',
    typed_config: { '@type': type, common_config: commonConfig(), ...rest },
  };
}

export function tcpGrpcLog(common: CommonGrpcAccessLogConfig = {}): AccessLog {
  const type = typeUrlOf('envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig');
  return {
    name: 'envoy.access_loggers.tcp_grpc',
    typed_config: { '@type': type, common_config: commonConfig(common) },
  };
}

/** Of a cluster that is spoken to in gRPC. */
export const http2 = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};

/** An authorization service over gRPC, by grpc-js: what it is asked, and what it answers. */
import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import type { CheckRequest, CheckResponse } from '../../proxy/api/envoy.gen.ts';
import { authorizationService } from '../../proxy/api/authorization-service.ts';
import { decode, encode } from '../../proxy/api/protojson.ts';
import { requireValue } from '../../proxy/common/decoded.ts';

/** Undefined: no answer at all. */
export type Decide = (request: CheckRequest) => CheckResponse | undefined;

export class AuthorizationServer {
  readonly asked: CheckRequest[] = [];
  readonly #server = new Server();
  port = 0;

  static async start(decide: Decide): Promise<AuthorizationServer> {
    const service = new AuthorizationServer();
    service.#server.addService(authorizationService, {
      check: (call: ServerUnaryCall<Uint8Array, Uint8Array>, answer: sendUnaryData<Uint8Array>) => {
        const request = requireValue(decode('envoy.service.auth.v3.CheckRequest', call.request), 'a question');
        service.asked.push(request);
        const response = decide(request);
        if (response !== undefined) answer(null, encode('envoy.service.auth.v3.CheckResponse', response));
      },
    });
    service.port = await new Promise<number>((resolve, reject) => {
      service.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    return service;
  }

  close(): Promise<void> {
    this.#server.forceShutdown();
    return Promise.resolve();
  }
}

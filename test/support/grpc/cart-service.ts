/** The service that tests of gRPC call. Its messages are bytes: what they mean is between a client and its server. */
import type { MethodDefinition } from '@grpc/grpc-js';

export const sameBytes = (bytes: Buffer): Buffer => bytes;

type Method = MethodDefinition<Buffer, Buffer>;

function method(path: string, requestStream: boolean, responseStream: boolean): Method {
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: sameBytes,
    requestDeserialize: sameBytes,
    responseSerialize: sameBytes,
    responseDeserialize: sameBytes,
  };
}

/** `get` and `total` tell who answered and what he was asked. */
export const cartService = {
  get: method('/shop.Cart/Get', false, false),
  total: method('/shop.Cart/Total', false, false),
  /** Gives back what it is given. */
  put: method('/shop.Cart/Put', false, false),
  /** As many messages as the request says. */
  list: method('/shop.Cart/List', false, true),
  /** One message that is all of them. */
  fill: method('/shop.Cart/Fill', true, false),
  /** For each message one that says whose it is, until the client ends. */
  chat: method('/shop.Cart/Chat', true, true),
};

/** Another service of the same server. */
export const ordersService = { get: method('/shop.Orders/Get', false, false) };

/** What a server says of a call. */
export interface CallEcho {
  readonly name: string;
  readonly path: string;
  readonly host: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Of the request. */
  readonly bytes: number;
  /** Milliseconds that the caller leaves it; undefined: he did not say. */
  readonly timeoutMs: number | undefined;
}

/** Serializers for grpc-js methods whose messages are encoded and decoded by their callers. */

export const grpcBytes = {
  /** Without a copy. */
  serialize: (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  deserialize: (bytes: Buffer): Uint8Array => bytes,
};

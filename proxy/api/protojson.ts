/**
 * The proto3 JSON mapping (protobuf.dev/programming-guides/json) for the messages of `messages.ts`: bytes ↔ the JSON
 * form typed in `envoy.gen.ts`. Names of messages are full: `envoy.config.cluster.v3.Cluster`.
 */
import { type Decoded, InvalidInputError } from '../common/decoded.ts';
import { messageType, type MessageType } from './descriptor.ts';
import type { RootMessages } from './envoy.gen.ts';
import { JsonReader, type PlainMessage } from './json-reader.ts';
import { JsonWriter } from './json-writer.ts';

/** Messages that have a name and a type of their own here. */
export type MessageName = keyof RootMessages;

/** The bytes of a message. Throws InvalidInputError when `json` breaks what its type cannot say, such as a range. */
export function encode<N extends MessageName>(name: N, json: RootMessages[N]): Uint8Array {
  const type = messageType(name);
  const reader = new JsonReader();
  const message = reader.message(type, json, '');
  if (reader.errors.length > 0) throw new InvalidInputError(name, reader.errors);
  return type.codec.encode(message).finish();
}

/** The JSON form of bytes from a peer. Field names as in the .proto, enums by name, 64-bit integers as numbers. */
export function decode<N extends MessageName>(name: N, bytes: Uint8Array): Decoded<RootMessages[N]> {
  const writer = new JsonWriter();
  const json = writer.bytes(messageType(name), bytes, '');
  return writer.errors.length > 0 ? { errors: writer.errors } : { value: json as RootMessages[N] };
}

/**
 * Checks what a user wrote and brings it into the form of `decode`: keys may be spelled `connect_timeout` or
 * `connectTimeout`, enums by name or number. Errors keep the user's spelling. `path` is where `json` stands.
 */
export function readJson<N extends MessageName>(name: N, json: unknown, path = ''): Decoded<RootMessages[N]> {
  const type = messageType(name);
  const reader = new JsonReader();
  const message = reader.message(type, json, path);
  if (reader.errors.length > 0) return { errors: reader.errors };
  return { value: normalForm(type, message, path) as RootMessages[N] };
}

/** What the reader accepted the writer can write, so a fault here is our own. */
function normalForm(type: MessageType, message: PlainMessage, path: string): unknown {
  const writer = new JsonWriter();
  const json = writer.message(type, message, path);
  if (writer.errors.length > 0) throw new InvalidInputError(type.name, writer.errors);
  return json;
}

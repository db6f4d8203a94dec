/** The messages of `descriptor.gen.ts` as one protobufjs reflection tree, built on first use. */
import protobuf from 'protobufjs';
import { descriptorJson } from './descriptor.gen.ts';

let root: protobuf.NamespaceBase | undefined;
const messages = new Map<string, MessageType | undefined>();

/** A message type with what the JSON mapping asks of it again and again. */
export interface MessageType {
  /** Full name without a leading dot: `envoy.config.cluster.v3.Cluster`. */
  readonly name: string;
  readonly codec: protobuf.Type;
  readonly fields: readonly protobuf.Field[];
  /** By name as in the .proto (`connect_timeout`) and by JSON name (`connectTimeout`). */
  readonly fieldByName: ReadonlyMap<string, protobuf.Field>;
}

/** The message of this full name; undefined when Heddle does not speak it (see `messages.ts`). */
export function findMessageType(name: string): MessageType | undefined {
  if (messages.has(name)) return messages.get(name);
  root ??= protobuf.Root.fromJSON(JSON.parse(descriptorJson) as protobuf.INamespace).resolveAll();
  const found = findReflection(root, name);
  const type = found instanceof protobuf.Type ? describe(found) : undefined;
  // Names of unknown messages come from peers: remembering them would let a peer fill the memory.
  if (type !== undefined) messages.set(name, type);
  return type;
}

/** The same, for names that are known at compile time. */
export function messageType(name: string): MessageType {
  const type = findMessageType(name);
  if (type === undefined) throw new Error(`message ${name} is missing in proxy/api/messages.ts`);
  return type;
}

/** The message type of a field whose type is a message. */
export function fieldMessageType(field: protobuf.Field): MessageType {
  return messageType(field.resolvedType?.fullName.slice(1) ?? field.type);
}

/**
 * Decodes strictly, or throws what protobufjs throws. Its reader for Buffers would cut a string that ends behind its
 * message; this one, for any byte array, refuses it.
 */
export function decodeMessage(type: MessageType, bytes: Uint8Array): Record<string, unknown> {
  return type.codec.decode(new protobuf.Reader(bytes)) as unknown as Record<string, unknown>;
}

/** Walks by own properties only: a name like `constructor` is just unknown. */
function findReflection(from: protobuf.NamespaceBase, name: string): protobuf.ReflectionObject | undefined {
  let found: protobuf.ReflectionObject = from;
  for (const part of name.split('.')) {
    if (!(found instanceof protobuf.Namespace) || !Object.hasOwn(found.nested ?? {}, part)) return undefined;
    const next: protobuf.ReflectionObject | undefined = found.nested?.[part];
    if (next === undefined) return undefined;
    found = next;
  }
  return found;
}

function describe(codec: protobuf.Type): MessageType {
  const fields = codec.fieldsArray;
  const fieldByName = new Map<string, protobuf.Field>();
  for (const field of fields) {
    fieldByName.set(field.name, field);
    fieldByName.set(lowerCamelCase(field.name), field);
  }
  return { name: codec.fullName.slice(1), codec, fields, fieldByName };
}

/** The JSON name of a field: protobuf.dev/programming-guides/json. */
function lowerCamelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

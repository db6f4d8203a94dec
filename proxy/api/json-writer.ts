/** Writes what protobufjs decoded as JSON with field names as in the .proto. The bytes came from a peer: nothing is taken for granted. */
import protobuf from 'protobufjs';
import type { FieldError } from '../common/decoded.ts';
import { decodeMessage, fieldMessageType, findMessageType, messageType, type MessageType } from './descriptor.ts';
import { fieldPath, indexPath, show } from './field-path.ts';
import { writeDuration, writeTimestamp } from './proto-time.ts';
import { isDefaultScalar, writeScalar } from './scalars.ts';
import type { PlainMessage } from './json-reader.ts';

/** One writing: collects every fault. Results only count without faults. */
export class JsonWriter {
  readonly errors: FieldError[] = [];

  /** Decodes and writes; bytes that are no such message are one fault. */
  bytes(type: MessageType, bytes: Uint8Array, path: string): unknown {
    let message: PlainMessage;
    try {
      message = decodeMessage(type, bytes);
    } catch (error) {
      return this.#fail(
        path,
        `must be an encoded ${type.name}: ${error instanceof Error ? error.message : 'unreadable'}`,
      );
    }
    return this.message(type, message, path);
  }

  message(type: MessageType, message: PlainMessage, path: string): unknown {
    const special = wellKnown[type.name];
    return special === undefined ? this.#fields(type, message, path) : special(this, message, path);
  }

  #fields(type: MessageType, message: PlainMessage, path: string): PlainMessage {
    const json: PlainMessage = {};
    const oneofs = new Map<protobuf.OneOf, string>();
    for (const field of type.fields) {
      const value = message[field.name];
      if (!Object.hasOwn(message, field.name) || isUnset(field, value)) continue;
      const at = fieldPath(path, field.name);
      json[field.name] = this.#field(field, value, at);
      const other = field.partOf === null ? undefined : oneofs.get(field.partOf);
      if (other !== undefined) this.#fail(at, `excludes "${other}": only one of them may be set`);
      if (field.partOf !== null) oneofs.set(field.partOf, field.name);
    }
    return json;
  }

  #field(field: protobuf.Field, value: unknown, path: string): unknown {
    if (field instanceof protobuf.MapField) {
      return this.entries(value as PlainMessage, path, (element, at) => this.#element(field, element, at));
    }
    if (!field.repeated) return this.#element(field, value, path);
    return (value as unknown[]).map((element, i) => this.#element(field, element, indexPath(path, i)));
  }

  entries(map: PlainMessage, path: string, write: (value: unknown, path: string) => unknown): PlainMessage {
    const json: PlainMessage = {};
    for (const [key, value] of Object.entries(map)) {
      // Assigning to this name would change the prototype of the result instead of adding an entry.
      if (key === '__proto__') this.#fail(path, 'must not have the key "__proto__"');
      else json[key] = write(value, fieldPath(path, key));
    }
    return json;
  }

  #element(field: protobuf.Field, value: unknown, path: string): unknown {
    if (field.resolvedType instanceof protobuf.Enum) {
      const name = field.resolvedType.valuesById[Number(value)];
      return name ?? this.#fail(path, `must be a known ${field.resolvedType.name}, got ${show(value)}`);
    }
    // A map entry without a value holds its type's default, which protobufjs gives as null for messages.
    if (field.resolvedType !== null) return this.message(fieldMessageType(field), (value ?? {}) as PlainMessage, path);
    return writeScalar(value);
  }

  #fail(path: string, message: string): PlainMessage {
    this.errors.push({ path, message });
    return {};
  }

  any(message: PlainMessage, path: string): unknown {
    const typeUrl = (message['type_url'] ?? '') as string;
    const type = findMessageType(typeUrl.slice(typeUrl.lastIndexOf('/') + 1));
    if (type === undefined) return this.#fail(fieldPath(path, '@type'), `${show(typeUrl)} is not a supported type`);
    const bytes = (message['value'] ?? new Uint8Array()) as Uint8Array;
    if (wellKnown[type.name] !== undefined) {
      return { '@type': typeUrl, value: this.bytes(type, bytes, fieldPath(path, 'value')) };
    }
    return { '@type': typeUrl, ...(this.bytes(type, bytes, path) as PlainMessage) };
  }

  time(message: PlainMessage, path: string, write: typeof writeDuration): unknown {
    const seconds = Number(writeScalar(message['seconds'] ?? 0));
    const nanos = Number(message['nanos'] ?? 0);
    return write({ seconds, nanos }) ?? this.#fail(path, `must be in range, got ${seconds} s and ${nanos} ns`);
  }

  /** google.protobuf.Value, which holds any JSON. protobufjs brings this message itself and spells it its own way. */
  value(message: PlainMessage, path: string): unknown {
    const kind = Object.keys(message)[0];
    const value = kind === undefined ? undefined : message[kind];
    switch (kind) {
      case 'nullValue':
        return null;
      case 'numberValue':
        if (Number.isFinite(value)) return value;
        break;
      case 'boolValue':
      case 'stringValue':
        return value;
      case 'structValue':
        return this.message(messageType('google.protobuf.Struct'), value as PlainMessage, path);
      case 'listValue':
        return this.message(messageType('google.protobuf.ListValue'), value as PlainMessage, path);
      default:
    }
    return this.#fail(path, 'must be a JSON value');
  }
}

type WellKnownWriter = (writer: JsonWriter, message: PlainMessage, path: string) => unknown;

/** Messages whose JSON form is not an object of their fields. */
const wellKnown: Readonly<Record<string, WellKnownWriter>> = {
  'google.protobuf.Any': (writer, message, path) => writer.any(message, path),
  'google.protobuf.Duration': (writer, message, path) => writer.time(message, path, writeDuration),
  'google.protobuf.Timestamp': (writer, message, path) => writer.time(message, path, writeTimestamp),
  'google.protobuf.Struct': (writer, message, path) =>
    writer.entries((message['fields'] ?? {}) as PlainMessage, path, (value, at) =>
      writer.message(messageType('google.protobuf.Value'), (value ?? {}) as PlainMessage, at),
    ),
  'google.protobuf.ListValue': (writer, message, path) =>
    ((message['values'] ?? []) as PlainMessage[]).map((value, i) => writer.value(value, indexPath(path, i))),
  'google.protobuf.Value': (writer, message, path) => writer.value(message, path),
  'google.protobuf.BoolValue': wrapper(false),
  'google.protobuf.StringValue': wrapper(''),
  'google.protobuf.BytesValue': wrapper(''),
  'google.protobuf.DoubleValue': wrapper(0),
  'google.protobuf.FloatValue': wrapper(0),
  'google.protobuf.Int32Value': wrapper(0),
  'google.protobuf.UInt32Value': wrapper(0),
  'google.protobuf.Int64Value': wrapper(0),
  'google.protobuf.UInt64Value': wrapper(0),
};

function wrapper(defaultValue: unknown): WellKnownWriter {
  return (_writer, message) => (Object.hasOwn(message, 'value') ? writeScalar(message['value']) : defaultValue);
}

/** What the reader would not have set either: see there. */
function isUnset(field: protobuf.Field, value: unknown): boolean {
  if (field instanceof protobuf.MapField) return Object.keys(value as object).length === 0;
  if (field.repeated) return (value as unknown[]).length === 0;
  return field.partOf === null && !(field.resolvedType instanceof protobuf.Type) && isDefaultScalar(value);
}

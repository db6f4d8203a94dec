/** Reads the JSON form of a message, which nobody has checked yet, into the plain object that protobufjs encodes. */
import protobuf from 'protobufjs';
import type { FieldError } from '../common/decoded.ts';
import { closest } from '../common/suggestion.ts';
import { fieldMessageType, findMessageType, messageType, type MessageType } from './descriptor.ts';
import { fieldPath, indexPath, show } from './field-path.ts';
import { readDuration, readTimestamp } from './proto-time.ts';
import { isDefaultScalar, scalar } from './scalars.ts';

export type PlainMessage = Record<string, unknown>;

/** protobufjs refuses to encode what is nested deeper, and so does every other implementation. */
const maxDepth = 90;

/** One reading: collects every fault, with paths in the writer's own spelling. Results only count without faults. */
export class JsonReader {
  readonly errors: FieldError[] = [];
  #depth = 0;

  message(type: MessageType, json: unknown, path: string): PlainMessage {
    this.#depth += 1;
    try {
      if (this.#depth > maxDepth) return this.#fail(path, `must not be nested deeper than ${maxDepth} levels`);
      const special = wellKnown[type.name];
      return special === undefined ? this.#fields(type, json, path) : special(this, json, path);
    } finally {
      this.#depth -= 1;
    }
  }

  #fields(type: MessageType, json: unknown, path: string): PlainMessage {
    if (!isObject(json)) return this.mismatch(path, 'an object', json);
    const message: PlainMessage = {};
    const oneofs = new Map<protobuf.OneOf, string>();
    for (const [key, value] of Object.entries(json)) {
      const field = type.fieldByName.get(key);
      const at = fieldPath(path, key);
      if (field === undefined) this.#fail(at, unknownField(type, key));
      else if (Object.hasOwn(message, field.name)) this.#fail(at, 'is given twice, in two spellings');
      else if (value !== null || isJsonValue(field)) {
        const decoded = this.#field(field, value, at);
        if (!isUnset(field, decoded)) message[field.name] = decoded;
        this.#checkOneof(oneofs, field, { key, at });
      }
    }
    return message;
  }

  #checkOneof(
    seen: Map<protobuf.OneOf, string>,
    field: protobuf.Field,
    { key, at }: { key: string; at: string },
  ): void {
    if (field.partOf === null) return;
    const other = seen.get(field.partOf);
    if (other === undefined) seen.set(field.partOf, key);
    else this.#fail(at, `excludes "${other}": only one of them may be set`);
  }

  #field(field: protobuf.Field, json: unknown, path: string): unknown {
    if (field instanceof protobuf.MapField) {
      if (!isObject(json)) return this.mismatch(path, 'an object', json);
      return this.entries(json, path, (value, at) => this.#element(field, value, at));
    }
    if (!field.repeated) return this.#element(field, json, path);
    if (!Array.isArray(json)) return this.mismatch(path, 'a list', json);
    return json.map((element, i) => this.#element(field, element, indexPath(path, i)));
  }

  /** The entries of a map with string keys, each read by `read`. */
  entries(json: object, path: string, read: (value: unknown, path: string) => unknown): PlainMessage {
    const result: PlainMessage = {};
    for (const [key, value] of Object.entries(json)) {
      // Assigning to this name would change the prototype of the result instead of adding an entry.
      if (key === '__proto__') this.#fail(path, 'must not have the key "__proto__"');
      else result[key] = read(value, fieldPath(path, key));
    }
    return result;
  }

  #element(field: protobuf.Field, json: unknown, path: string): unknown {
    if (field.resolvedType instanceof protobuf.Enum) return this.#enum(field.resolvedType, json, path);
    if (field.resolvedType !== null) return this.message(fieldMessageType(field), json, path);
    return this.scalar(field.type, json, path);
  }

  #enum(type: protobuf.Enum, json: unknown, path: string): number | undefined {
    if (typeof json === 'string' && Object.hasOwn(type.values, json)) return type.values[json];
    if (typeof json === 'number' && type.valuesById[json] !== undefined) return json;
    const names = Object.keys(type.values);
    const suggestion = typeof json === 'string' ? closest(json, names) : undefined;
    const hint = suggestion === undefined ? '' : `; did you mean ${suggestion}?`;
    this.mismatch(path, `one of ${names.join(', ')}`, json, hint);
    return undefined;
  }

  scalar(type: string, json: unknown, path: string): unknown {
    const rules = scalar(type);
    const value = rules.read(json);
    if (value === undefined) this.mismatch(path, rules.expected, json);
    return value;
  }

  /** Records "must be EXPECTED, got JSON"; the result is a placeholder. */
  mismatch(path: string, expected: string, json: unknown, hint = ''): PlainMessage {
    return this.#fail(path, `must be ${expected}, got ${show(json)}${hint}`);
  }

  #fail(path: string, message: string): PlainMessage {
    this.errors.push({ path, message });
    return {};
  }

  /** `{ "@type": URL, … }` → type_url and the encoded message. */
  any(json: unknown, path: string): PlainMessage {
    if (!isObject(json)) return this.mismatch(path, 'an object', json);
    const { '@type': typeUrl, ...fields } = json as PlainMessage;
    const typePath = fieldPath(path, '@type');
    if (typeof typeUrl !== 'string') return this.mismatch(typePath, 'a type URL', typeUrl);
    const type = findMessageType(typeUrl.slice(typeUrl.lastIndexOf('/') + 1));
    if (type === undefined) return this.#fail(typePath, `${show(typeUrl)} is not a supported type`);
    const errorsBefore = this.errors.length;
    const message =
      wellKnown[type.name] === undefined
        ? this.message(type, fields, path)
        : this.message(type, fields['value'], fieldPath(path, 'value'));
    const isSound = this.errors.length === errorsBefore;
    return { type_url: typeUrl, value: isSound ? type.codec.encode(message).finish() : new Uint8Array() };
  }

  /** google.protobuf.Value, which holds any JSON. protobufjs brings this message itself and spells it its own way. */
  value(json: unknown, path: string): PlainMessage {
    if (json === null) return { nullValue: 0 };
    if (typeof json === 'boolean') return { boolValue: json };
    if (typeof json === 'string') return { stringValue: json };
    if (typeof json === 'number' && Number.isFinite(json)) return { numberValue: json };
    if (Array.isArray(json)) return { listValue: this.message(messageType('google.protobuf.ListValue'), json, path) };
    if (isObject(json)) return { structValue: this.message(messageType('google.protobuf.Struct'), json, path) };
    return this.mismatch(path, 'a JSON value', json);
  }
}

type WellKnownReader = (reader: JsonReader, json: unknown, path: string) => PlainMessage;

/** Messages whose JSON form is not an object of their fields. */
const wellKnown: Readonly<Record<string, WellKnownReader>> = {
  'google.protobuf.Any': (reader, json, path) => reader.any(json, path),
  'google.protobuf.Duration': (reader, json, path) => ({
    ...(readDuration(json) ?? reader.mismatch(path, 'a duration such as "0.25s"', json)),
  }),
  'google.protobuf.Timestamp': (reader, json, path) => ({
    ...(readTimestamp(json) ?? reader.mismatch(path, 'a time such as "2026-01-31T12:00:00Z"', json)),
  }),
  'google.protobuf.Struct': (reader, json, path) =>
    isObject(json)
      ? {
          fields: reader.entries(json, path, (value, at) =>
            reader.message(messageType('google.protobuf.Value'), value, at),
          ),
        }
      : reader.mismatch(path, 'an object', json),
  'google.protobuf.ListValue': (reader, json, path) =>
    Array.isArray(json)
      ? {
          values: json.map((value, i) =>
            reader.message(messageType('google.protobuf.Value'), value, indexPath(path, i)),
          ),
        }
      : reader.mismatch(path, 'a list', json),
  'google.protobuf.Value': (reader, json, path) => reader.value(json, path),
  'google.protobuf.BoolValue': wrapper('bool'),
  'google.protobuf.StringValue': wrapper('string'),
  'google.protobuf.BytesValue': wrapper('bytes'),
  'google.protobuf.DoubleValue': wrapper('double'),
  'google.protobuf.FloatValue': wrapper('float'),
  'google.protobuf.Int32Value': wrapper('int32'),
  'google.protobuf.UInt32Value': wrapper('uint32'),
  'google.protobuf.Int64Value': wrapper('int64'),
  'google.protobuf.UInt64Value': wrapper('uint64'),
};

function wrapper(type: string): WellKnownReader {
  return (reader, json, path) => ({ value: reader.scalar(type, json, path) });
}

function isObject(json: unknown): json is object {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

/** JSON null means "not set" everywhere but in a field that holds any JSON. */
function isJsonValue(field: protobuf.Field): boolean {
  return field.type.endsWith('google.protobuf.Value');
}

/** A field without presence that holds its default is not set: so both spellings of one message are equal bytes. */
function isUnset(field: protobuf.Field, value: unknown): boolean {
  if (value === undefined) return true;
  return field.partOf === null && !(field.resolvedType instanceof protobuf.Type) && isDefaultScalar(value);
}

function unknownField(type: MessageType, key: string): string {
  const suggestion = closest(key, type.fieldByName.keys());
  const short = type.name.slice(type.name.lastIndexOf('.') + 1);
  return `is not a field of ${short}${suggestion === undefined ? '' : `; did you mean "${suggestion}"?`}`;
}

/** The few schema values that several kinds share. Ranges stand in the schema; what relates fields stands in checks/. */
import { Type, type TEnum, type TProperties, type TSchema } from 'typebox';

const closed = { additionalProperties: false } as const;

/** A protobuf message of Istio's API: every field may be left out, and no other field may be written. */
export function message<P extends TProperties>(fields: P) {
  return Type.Partial(Type.Object(fields), closed);
}

/** A message with required fields: the optional ones are marked one by one. */
export function record<P extends TProperties>(fields: P) {
  return Type.Object(fields, closed);
}

export const optional = Type.Optional;

const uint32Max = 2 ** 32 - 1;
const int32Max = 2 ** 31 - 1;

export const string = Type.String();
export const boolean = Type.Boolean();
export const strings = Type.Array(Type.String());
export const stringMap = Type.Record(Type.String(), Type.String());
/** google.protobuf.UInt32Value and uint32. */
export const uint32 = Type.Integer({ minimum: 0, maximum: uint32Max });
/** An int32 of which Istio accepts only the non-negative half. */
export const count = Type.Integer({ minimum: 0, maximum: int32Max });
export const percentInteger = Type.Integer({ minimum: 0, maximum: 100 });
/** A uint64, as far as JavaScript counts exactly. */
export const uint64 = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** A port; 0 means "not given", as protobuf's default. */
export const portOrZero = Type.Integer({ minimum: 0, maximum: 65_535 });
export const port = Type.Integer({ minimum: 1, maximum: 65_535 });
/** Go's duration syntax (`1h30m`, `1.5s`); its limits depend on the field, so checks/ parses it. */
export const duration = Type.String();
export const percentNumber = Type.Number({ minimum: 0, maximum: 100 });
/** A value in percent, 0.0 to 100.0. */
export const percent = message({ value: percentNumber });
export const portSelector = record({ number: port });
/** `.` this namespace, `*` all, or the name of a namespace. */
export const exportTo = strings;

export function oneOf<const V extends string>(...values: V[]): TEnum<V[]> {
  return Type.Enum(values);
}

export function listOf<S extends TSchema>(items: S) {
  return Type.Array(items);
}

export function mapOf<S extends TSchema>(values: S) {
  return Type.Record(Type.String(), values);
}

/** The scalar part of the proto3 JSON mapping: protobuf.dev/programming-guides/json. */

interface Scalar {
  /** Completes the sentence "must be …". */
  readonly expected: string;
  /** The value as protobufjs takes it; undefined when the JSON value does not fit. */
  read(json: unknown): unknown;
}

/**
 * 64-bit integers are numbers on our side, so what a double cannot hold exactly is refused rather than rounded.
 */
const scalars: Readonly<Record<string, Scalar>> = {
  string: { expected: 'a string', read: (json) => (typeof json === 'string' ? json : undefined) },
  bool: { expected: 'true or false', read: (json) => (typeof json === 'boolean' ? json : undefined) },
  bytes: { expected: 'bytes in base64', read: readBytes },
  double: { expected: 'a number', read: readFloat },
  float: { expected: 'a number', read: readFloat },
  ...integers(['int32', 'sint32', 'sfixed32'], -(2 ** 31), 2 ** 31 - 1),
  ...integers(['uint32', 'fixed32'], 0, 2 ** 32 - 1),
  ...integers(['int64', 'sint64', 'sfixed64'], Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  ...integers(['uint64', 'fixed64'], 0, Number.MAX_SAFE_INTEGER),
};

/** The rules of a scalar type of the .proto language. */
export function scalar(type: string): Scalar {
  const found = scalars[type];
  if (found === undefined) throw new Error(`no such scalar type: ${type}`);
  return found;
}

/** The JSON value of what protobufjs decoded. Numbers beyond 2^53 lose their last digits. */
export function writeScalar(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (isLong(value)) return value.toNumber();
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

/** Whether a scalar holds its type's default, which for a field without presence means "not set". */
export function isDefaultScalar(value: unknown): boolean {
  if (value instanceof Uint8Array) return value.length === 0;
  if (isLong(value)) return value.toNumber() === 0;
  return value === 0 || value === '' || value === false;
}

/** What protobufjs gives for 64-bit integers. */
function isLong(value: unknown): value is { toNumber(): number } {
  return typeof value === 'object' && value !== null && 'toNumber' in value;
}

function integers(types: readonly string[], min: number, max: number): Record<string, Scalar> {
  const integer: Scalar = {
    expected: `an integer from ${min} to ${max}`,
    read(json) {
      const isDecimal = typeof json === 'string' && /^-?\d{1,20}$/.test(json);
      const value = isDecimal ? Number(json) : json;
      return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? value : undefined;
    },
  };
  return Object.fromEntries(types.map((type) => [type, integer]));
}

function readFloat(json: unknown): number | undefined {
  if (typeof json === 'number') return json;
  if (typeof json !== 'string' || !/^(NaN|-?Infinity|-?\d+(\.\d+)?([eE][+-]?\d+)?)$/.test(json)) return undefined;
  return Number(json);
}

/** Both alphabets, padded or not. */
function readBytes(json: unknown): Uint8Array | undefined {
  if (typeof json !== 'string' || !/^[\w+/-]*={0,2}$/.test(json)) return undefined;
  return Buffer.from(json, 'base64');
}

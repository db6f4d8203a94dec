/**
 * Reading is supporting: decoders take the fields that Heddle acts on, and every set field that nobody took is reported
 * as not supported. So a new field of Envoy's, or one that a decoder forgot, can never be ignored in silence.
 */
import type { Decoded, FieldError } from '../common/decoded.ts';
import { parseProtoDurationMs } from '../common/duration.ts';
import type { RootMessages } from './envoy.gen.ts';
import { fieldPath, indexPath, show } from './field-path.ts';

/** Keys of T whose values are of type V. */
type KeysOf<T, V> = { [K in keyof T]-?: NonNullable<T[K]> extends V ? K : never }[keyof T] & string;
type Element<L> = NonNullable<L> extends readonly (infer E)[] ? E : never;
type TypedConfig = { '@type': string };

/** A decode function for each type that a `typed_config` may hold, by full message name. */
export type TypeTable<R> = { readonly [N in keyof RootMessages]?: (fields: Fields<RootMessages[N] & object>) => R };

/** Runs `decode` over a message in JSON form (see `protojson.ts`); all faults together, or the frozen value. */
export function decodeFields<T extends object, R>(json: T, path: string, decode: (fields: Fields<T>) => R): Decoded<R> {
  const errors: FieldError[] = [];
  const fields = new Fields(json, path, errors);
  const value = decode(fields);
  fields.done();
  return errors.length > 0 ? { errors } : { value: deepFreeze(value) };
}

/** One message while it is decoded. After a fault the methods return a placeholder: the result is dropped anyway. */
export class Fields<T extends object> {
  readonly path: string;
  readonly #json: T;
  readonly #errors: FieldError[];
  readonly #untaken: Set<string>;
  readonly #children: Fields<object>[] = [];

  constructor(json: T, path: string, errors: FieldError[]) {
    this.#json = json;
    this.path = path;
    this.#errors = errors;
    this.#untaken = new Set(Object.keys(json));
  }

  /** Marks the field as supported and returns it, undefined when it is not set. */
  take<K extends keyof T & string>(key: K): T[K] | undefined {
    this.#untaken.delete(key);
    return Object.hasOwn(this.#json, key) ? this.#json[key] : undefined;
  }

  /** For fields without any effect on what Heddle does. */
  ignore(...keys: (keyof T & string)[]): void {
    for (const key of keys) this.#untaken.delete(key);
  }

  /** What is set; of a map, its keys. */
  keys(): (keyof T & string)[] {
    return Object.keys(this.#json) as (keyof T & string)[];
  }

  has(key: keyof T & string): boolean {
    return Object.hasOwn(this.#json, key);
  }

  /** A string that must not be empty. */
  name(key: KeysOf<T, string>): string {
    const value = this.take(key) as string | undefined;
    if (value === undefined || value === '') this.fail(key, 'must be set');
    return value ?? '';
  }

  text(key: KeysOf<T, string>, defaultValue = ''): string {
    return (this.take(key) as string | undefined) ?? defaultValue;
  }

  /** A number in [min, max]. */
  number(
    key: KeysOf<T, number>,
    { defaultValue, min = 0, max = Number.MAX_SAFE_INTEGER }: { defaultValue: number; min?: number; max?: number },
  ): number {
    const value = (this.take(key) as number | undefined) ?? defaultValue;
    if (value < min || value > max) this.fail(key, `must be from ${min} to ${max}, got ${value}`);
    return value;
  }

  flag(key: KeysOf<T, boolean>, defaultValue = false): boolean {
    return (this.take(key) as boolean | undefined) ?? defaultValue;
  }

  /** Milliseconds, never negative. */
  durationMs(key: KeysOf<T, string>, defaultMs: number): number {
    const text = this.take(key) as string | undefined;
    const ms = text === undefined ? defaultMs : (parseProtoDurationMs(text) ?? -1);
    if (ms < 0) this.fail(key, `must not be negative, got ${show(text)}`);
    return ms;
  }

  /** For fields of which only one value is supported, which may also be written out. */
  only<K extends keyof T & string>(key: K, supported: T[K]): void {
    const value = this.take(key);
    if (value !== undefined && value !== supported) {
      this.fail(key, `${show(value)} is not supported, only ${show(supported)} is`);
    }
  }

  /** One of `supported`; the first is the default. */
  choice<K extends KeysOf<T, string>, V extends T[K] & string>(key: K, supported: readonly [V, ...V[]]): V {
    const value = this.take(key);
    if (value === undefined) return supported[0];
    const chosen = supported.find((candidate) => candidate === value);
    if (chosen === undefined) this.fail(key, `${show(value)} is not supported, only ${supported.join(', ')}`);
    return chosen ?? supported[0];
  }

  /** A nested message, undefined when it is not set. What its decoder does not take is reported too. */
  message<K extends KeysOf<T, object>>(key: K): Fields<NonNullable<T[K]> & object> | undefined {
    const json = this.take(key);
    return json === undefined ? undefined : this.#child(json as NonNullable<T[K]> & object, fieldPath(this.path, key));
  }

  /** A nested message that must be set; an empty one stands in for it after the fault. */
  required<K extends KeysOf<T, object>>(key: K): Fields<NonNullable<T[K]> & object> {
    const child = this.message(key);
    if (child !== undefined) return child;
    this.fail(key, 'must be set');
    return new Fields({} as NonNullable<T[K]> & object, fieldPath(this.path, key), []);
  }

  list<K extends KeysOf<T, readonly object[]>, R>(key: K, decode: (fields: Fields<Element<T[K]> & object>) => R): R[] {
    const elements = (this.take(key) ?? []) as (Element<T[K]> & object)[];
    return elements.map((element, i) => decode(this.#child(element, indexPath(fieldPath(this.path, key), i))));
  }

  /** What stands in a google.protobuf.Any, decoded by the entry of `table` for its type. */
  typed<R>(key: KeysOf<T, TypedConfig>, table: TypeTable<R>): R | undefined {
    const json = this.take(key) as (TypedConfig & Record<string, unknown>) | undefined;
    if (json === undefined) {
      this.fail(key, 'must be set');
      return undefined;
    }
    const { '@type': typeUrl, ...message } = json;
    const name = typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
    if (!Object.hasOwn(table, name)) {
      this.fail(key, `${name} is not supported here, only ${Object.keys(table).join(', ')}`);
      return undefined;
    }
    const decode = table[name as keyof RootMessages] as ((fields: Fields<object>) => R) | undefined;
    return decode?.(this.#child<object>(message, fieldPath(this.path, key)));
  }

  /** A map of google.protobuf.Any by name, each decoded by the entry of `table` for its type; undefined without any. */
  typedMap<R>(
    key: KeysOf<T, Record<string, TypedConfig>>,
    table: TypeTable<R>,
  ): Readonly<Record<string, R>> | undefined {
    const json = this.take(key) as Readonly<Record<string, TypedConfig>> | undefined;
    if (json === undefined || Object.keys(json).length === 0) return undefined;
    const map = this.#child<Readonly<Record<string, TypedConfig>>>(json, fieldPath(this.path, key));
    const entries = Object.keys(json).flatMap((name): [string, R][] => {
      const value = map.typed(name, table);
      return value === undefined ? [] : [[name, value]];
    });
    return Object.fromEntries(entries);
  }

  /** A map of messages by name, each decoded alike. */
  messageMap<K extends KeysOf<T, Record<string, object>>, R>(
    key: K,
    decode: (fields: Fields<NonNullable<NonNullable<T[K]>[keyof NonNullable<T[K]>]> & object>) => R,
  ): Readonly<Record<string, R>> {
    const map = (this.take(key) ?? {}) as Record<
      string,
      NonNullable<NonNullable<T[K]>[keyof NonNullable<T[K]>]> & object
    >;
    const path = fieldPath(this.path, key);
    return Object.fromEntries(
      Object.entries(map).map(([name, json]) => [name, decode(this.#child(json, fieldPath(path, name)))]),
    );
  }

  fail(key: keyof T & string, message: string): void {
    this.#errors.push({ path: fieldPath(this.path, key), message });
  }

  /** A fault of the message as a whole. */
  failHere(message: string): void {
    this.#errors.push({ path: this.path, message });
  }

  /** Adds faults that others found, with their own paths. */
  report(errors: readonly FieldError[]): void {
    this.#errors.push(...errors);
  }

  /** Reports what nobody took, here and in all nested messages. */
  done(): void {
    for (const key of this.#untaken) {
      this.#errors.push({ path: fieldPath(this.path, key), message: 'is not supported' });
    }
    for (const child of this.#children) child.done();
  }

  #child<C extends object>(json: C, path: string): Fields<C> {
    const child = new Fields(json, path, this.#errors);
    this.#children.push(child as unknown as Fields<object>);
    return child;
  }
}

/** Configuration is a snapshot that many share: nobody may change it. */
function deepFreeze<V>(value: V): V {
  // The bytes of a view cannot be frozen.
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const member of Object.values(value)) deepFreeze(member);
  return value;
}

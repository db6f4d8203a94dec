/** Configurations that are nearly right: values of a JSON tree exchanged, dropped and repeated at random. */
import type { Dice } from './http1/fuzz/dice.ts';

type Json = unknown;

const strings = [
  '', ' ', '*', '**', '/', '%', '%%', '%REQ(', '%REQ(X)%', '%UNKNOWN%', '__proto__', 'constructor', '(', '(a+)+$', '\\1', '\\', '\n', 'a\r\nb: c', '\0', 'é',
  '0s', '-1s', '0.000000001s', '1e9s', '99999999999s', '315576000000s', 'NaN', '-1', '1.5', 'HUNDRED', 'MILLION', 'RANDOM', 'MAGLEV', 'LEAST_REQUEST', 'ROUND_ROBIN',
  'a', 'b', 'missing', 'a.example', 'x'.repeat(300), ':path', 'host', 'content-length', 'reset', 'gateway-error,5xx', ',',
]; // prettier-ignore
const numbers = [
  0,
  1,
  2,
  100,
  101,
  199,
  200,
  600,
  -1,
  0.5,
  65_535,
  65_536,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  1e300,
];
const others: readonly Json[] = [null, {}, [], [{}], [null], true, 'a', 0];

/** Where endpoints and files are: what is tested stays on this machine. */
const untouchable = new Set(['load_assignment', 'access_log', '@type']);

interface Place {
  readonly parent: Record<string, Json>;
  readonly key: string;
}

/** One to three changes of a copy of `value`. */
export function mutateJson<T extends object>(value: T, dice: Dice): T {
  const copy = structuredClone(value);
  for (let changes = 1 + dice.below(3); changes > 0; changes--) {
    const places = placesOf(copy as Record<string, Json>);
    if (places.length > 0) change(dice.pick(places), dice);
  }
  return copy;
}

function change({ parent, key }: Place, dice: Dice): void {
  const old = parent[key];
  if (dice.once(8)) {
    if (Array.isArray(parent)) parent.splice(Number(key), 1);
    else delete parent[key];
  } else if (dice.once(10)) {
    parent[key] = structuredClone(dice.pick(others));
  } else {
    parent[key] = similar(old, dice);
  }
}

function similar(old: Json, dice: Dice): Json {
  if (typeof old === 'string') return dice.once(4) ? old.slice(0, dice.below(old.length + 1)) : dice.pick(strings);
  if (typeof old === 'number') return dice.pick(numbers);
  if (typeof old === 'boolean') return !old;
  if (Array.isArray(old)) return dice.once(2) ? [...old, ...structuredClone(old)] : old.toReversed();
  return old;
}

function placesOf(node: Record<string, Json>): Place[] {
  return Object.keys(node)
    .filter((key) => !untouchable.has(key))
    .flatMap((key) => {
      const value = node[key];
      const below = typeof value === 'object' && value !== null ? placesOf(value as Record<string, Json>) : [];
      return [{ parent: node, key }, ...below];
    });
}

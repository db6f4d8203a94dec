/**
 * Remembers what a pure function of (source, key) returned, for as long as `source` lives. A source is an immutable
 * snapshot, compared by identity. The JSON of the whole key is the cache key and `make` is given nothing else, so no
 * input can be missing from it.
 */
export function memoize<S extends object, K, V>(make: (source: S, key: K) => V): (source: S, key: K) => V {
  const remembered = new WeakMap<S, Map<string, V>>();
  return (source, key) => {
    let byKey = remembered.get(source);
    if (byKey === undefined) remembered.set(source, (byKey = new Map()));
    const cacheKey = JSON.stringify(key);
    let value = byKey.get(cacheKey);
    if (value === undefined) byKey.set(cacheKey, (value = make(source, key)));
    return value;
  };
}

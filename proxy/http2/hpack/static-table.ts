import { HeaderField } from '../header-field.ts';

/** RFC 7541 appendix A, from index 1. */
const entries: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
];

/** The static table's fields: that of index i stands at i - 1. */
export const staticFields: readonly HeaderField[] = entries.map(([name, value]) => new HeaderField(name, value));

/** Index of the dynamic table's newest entry (RFC 7541 §2.3.3). */
export const firstDynamicIndex: number = staticFields.length + 1;

/** One name's entries, which follow each other in the table. */
export interface StaticName {
  readonly index: number;
  /** The value at `index`, that at `index + 1`, … */
  readonly values: readonly string[];
}

export const staticNames: ReadonlyMap<string, StaticName> = collectNames();

function collectNames(): Map<string, StaticName> {
  const names = new Map<string, { index: number; values: string[] }>();
  entries.forEach(([name, value], i) => {
    const known = names.get(name);
    if (known === undefined) names.set(name, { index: i + 1, values: [value] });
    else known.values.push(value);
  });
  return names;
}

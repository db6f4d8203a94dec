/** What of a message's headers concerns more than one connection, as one string per header, to be compared. */

const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
]);
/** The proxy acts on these, so Connection cannot name them away. */
const kept = new Set(['host', 'content-length', 'x-request-id', 'x-forwarded-proto', 'date']);

type Headers = readonly (readonly [name: string, value: string])[];

/**
 * Without the headers that only this hop reads, without `ignored`; lengths as plain numbers. Names in
 * lower case and sorted: a length that had to be written anew stands elsewhere. The order of equal names stays.
 */
export function endToEndHeaders(headers: Headers, ignored: ReadonlySet<string>): string[] {
  const named = new Set(
    headers
      .filter(([name]) => name.toLowerCase() === 'connection')
      .flatMap(([, value]) => value.toLowerCase().split(',').map(trimOws)),
  );
  return headers
    .map(([name, value]) => [name.toLowerCase(), trimOws(value)] as const)
    .filter(([name]) => !hopByHop.has(name) && !ignored.has(name) && (kept.has(name) || !named.has(name)))
    .map(([name, value]) => `${name}: ${name === 'content-length' ? Number(value) : value}`)
    .sort(compareNames);
}

function compareNames(a: string, b: string): number {
  const [first, second] = [a.slice(0, a.indexOf(':')), b.slice(0, b.indexOf(':'))];
  if (first === second) return 0;
  return first < second ? -1 : 1;
}

/** Not String.trim, which takes 0xa0 for white space. */
function trimOws(text: string): string {
  return text.replaceAll(/^[ \t]+|[ \t]+$/g, '');
}

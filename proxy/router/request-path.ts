/** Pure: the parts of where a request goes, as received: nothing is decoded. */

export function withoutQuery(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? path : path.slice(0, query);
}

/** Of a Host: `a.com` of `a.com:8080`, `[::1]` of `[::1]:80`. */
export function withoutPort(authority: string): string {
  const colon = authority.lastIndexOf(':');
  return colon < 0 || colon < authority.lastIndexOf(']') ? authority : authority.slice(0, colon);
}

/** The query with its `?`, or the empty string. */
export function queryOf(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? '' : path.slice(query);
}

/** The first value of parameter `name`: "" for `?name`, undefined when the query has none (semantics S14). */
export function firstQueryValue(path: string, name: string): string | undefined {
  for (let at = path.indexOf('?') + 1; at > 0; at = path.indexOf('&', at) + 1) {
    if (!path.startsWith(name, at)) continue;
    const end = at + name.length;
    const next = path[end];
    if (next === undefined || next === '&') return '';
    if (next !== '=') continue;
    const valueEnd = path.indexOf('&', end);
    return path.slice(end + 1, valueEnd < 0 ? undefined : valueEnd);
  }
  return undefined;
}

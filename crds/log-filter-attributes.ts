/**
 * What an access log filter's expression may say about a request. Source: Envoy docs,
 * intro/arch_overview/advanced/attributes.
 */
export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=';
export type TextTest = 'exact' | 'prefix' | 'suffix' | 'contains';

/** Attributes that are a header of the request. */
export const headers: ReadonlyMap<string, string> = new Map([
  ['request.host', ':authority'],
  ['request.id', 'x-request-id'],
  ['request.method', ':method'],
  ['request.path', ':path'],
  ['request.referer', 'referer'],
  ['request.useragent', 'user-agent'],
]);

export const attributes = [...headers.keys(), 'request.duration', 'request.headers', 'response.code', 'response.flags'];

export const methods: ReadonlyMap<string, TextTest> = new Map([
  ['startsWith', 'prefix'],
  ['endsWith', 'suffix'],
  ['contains', 'contains'],
]);

export const negations: Readonly<Record<Comparison, Comparison>> = {
  '==': '!=',
  '!=': '==',
  '<': '>=',
  '<=': '>',
  '>': '<=',
  '>=': '<',
};

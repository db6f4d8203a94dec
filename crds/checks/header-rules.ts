/** Rules that add, set and remove headers (semantics S29). */
import { childPath, type Findings, show } from '../findings.ts';
import type { Headers } from '../virtual-service.ts';

type Operations = NonNullable<Headers['request']>;

export function checkHeaderRules(headers: Headers | undefined, path: string, findings: Findings): void {
  if (headers?.request !== undefined) checkOperations(headers.request, `${path}.request`, findings);
  if (headers?.response !== undefined) checkOperations(headers.response, `${path}.response`, findings);
}

function checkOperations(operations: Operations, path: string, findings: Findings): void {
  const mayChangeAuthority = path.endsWith('.request');
  for (const [verb, values] of Object.entries({ set: operations.set ?? {}, add: operations.add ?? {} })) {
    for (const [name, value] of Object.entries(values)) {
      const at = childPath(`${path}.${verb}`, name);
      findings.expect(at, operableHeaderFault(name, mayChangeAuthority) ?? headerValueFault(value));
    }
  }
  for (const [index, name] of (operations.remove ?? []).entries()) {
    findings.expect(`${path}.remove[${index}]`, operableHeaderFault(name, false));
  }
}

export function isAuthorityHeader(name: string): boolean {
  return /^(?::authority|host)$/i.test(name);
}

function operableHeaderFault(name: string, mayChangeAuthority: boolean): string | undefined {
  if (name === '') return 'header name must not be empty';
  if (mayChangeAuthority && isAuthorityHeader(name)) return undefined;
  const isInternal = name.startsWith(':') || name.toLowerCase() === 'host';
  return isInternal ? `must not be changed here, got header ${show(name)}` : undefined;
}

/**
 * The whole of a value: text, `%%`, `%NAME%`, `%NAME(argument):length%` and `%NAME(["argument", …])%`. Every alternative starts
 * differently, so that the match stays linear. Source: Envoy docs, http_conn_man/headers.
 */
const headerFormat =
  /^(?:[^%]|%%|%[^%(]+%|%[^%(]*\((?:\s*\[\s*"(?:[^"\\]|\\.)*"\s*(?:,\s*"(?:[^"\\]|\\.)*"\s*)*\]\s*|\s*[^\s[)](?:[^)\\]|\\.)*)\)(?::\d+)?%)*$/s;

/** envoy.config.core.v3.HeaderValue, value. */
const maxValueBytes = 16_384;

function headerValueFault(value: string): string | undefined {
  const size = Buffer.byteLength(value);
  if (size > maxValueBytes) return `must be at most ${maxValueBytes} bytes, got ${size}`;
  if (/[\0-\x08\x0a-\x1f\x7f]/.test(value)) return `must not contain control characters, got ${show(value)}`;
  if (headerFormat.test(value)) return undefined;
  return `must be text with %VARIABLES%, a percent sign written %%, got ${show(value)}`;
}

/**
 * Regular expressions from configuration: RE2 syntax, whole-value match, linear time (through re2js, never RegExp).
 * Common shapes that a string operation can answer are recognised when compiling and never reach the engine, which is
 * ten times slower.
 */
import { RE2JS } from 're2js';
import type { Decoded } from './decoded.ts';

/** Whether the whole value matches. */
export type RegexTest = (value: string) => boolean;

/** An upper bound of Istio's (`val.go`); Envoy's default limit of program size is of the same order. */
const maxLength = 1024;

/** Every fault has an empty path: the caller knows where the expression stands. */
export function compileRegex(source: string): Decoded<RegexTest> {
  if (source.length > maxLength) {
    return fault(`must have at most ${maxLength} characters, got ${source.length}`);
  }
  try {
    const regex = RE2JS.compile(source);
    return { value: stringOperation(source) ?? ((value) => regex.testExact(value)) };
  } catch (error) {
    return fault(`must be an RE2 expression: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function fault(message: string): Decoded<never> {
  return { errors: [{ path: '', message }] };
}

/**
 * `.` does not match a line feed, as in RE2. Header values and paths have none, but the answer must not depend on that.
 */
function stringOperation(source: string): RegexTest | undefined {
  const body = source.replace(/^\^/, '').replace(/(?<!\\)\$$/, '');
  const [, escaped = '', tail] = /^((?:\\[^\w\s]|[^\\^$.|?*+()[\]{}])*)(\.\*|\.\+)?$/s.exec(body) ?? [];
  if (escaped === '' && tail === undefined && body !== '') return undefined;
  const literal = escaped.replace(/\\(.)/gs, '$1');
  if (tail === undefined) return (value) => value === literal;
  const minLength = literal.length + (tail === '.+' ? 1 : 0);
  return (value) => value.length >= minLength && value.startsWith(literal) && !value.includes('\n', literal.length);
}

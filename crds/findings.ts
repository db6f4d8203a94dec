/** What a check found in one resource. Errors refuse the resource, warnings are told to the user. */
import type { FieldError } from '../proxy/common/decoded.ts';
import { closest } from '../proxy/common/suggestion.ts';

export class Findings {
  readonly errors: FieldError[] = [];
  readonly warnings: FieldError[] = [];

  error(path: string, message: string): void {
    this.errors.push({ path, message });
  }

  warn(path: string, message: string): void {
    this.warnings.push({ path, message });
  }

  /** Records `fault`, one of the sentences of names.ts and duration.ts, when there is one. */
  expect(path: string, fault: string | undefined): void {
    if (fault !== undefined) this.error(path, fault);
  }
}

const identifier = /^[A-Za-z_][\w-]*$/;

/** `spec.http` + `name` → `spec.http.name`; keys that are no identifiers are quoted: `labels["a.b/c"]`. */
export function childPath(path: string, key: string): string {
  if (!identifier.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === '' ? key : `${path}.${key}`;
}

/** A value as an error message shows it: JSON, shortened to 60 characters. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

/** ` (did you mean "x"?)`, or nothing when no known word is near. */
export function didYouMean(written: string, known: Iterable<string>): string {
  const word = closest(written, known);
  return word === undefined ? '' : ` (did you mean "${word}"?)`;
}

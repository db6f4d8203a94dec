/** Decodes what takes the place of a request's path and Host, in route and redirect actions. */
import { compileSubstitution } from '../common/regex-substitution.ts';
import type { RegexMatchAndSubstitute } from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { show } from './field-path.ts';
import type { PathRewrite } from './route.ts';

interface RewriteFields {
  prefix_rewrite?: string;
  regex_rewrite?: RegexMatchAndSubstitute;
}

/** An empty `prefix_rewrite` is none, as in Envoy. */
export function readPathRewrite(fields: Fields<RewriteFields>): PathRewrite | undefined {
  const regex = fields.message('regex_rewrite');
  const replacement = readTarget(fields, 'prefix_rewrite');
  if (regex === undefined) return replacement === '' ? undefined : { kind: 'prefix', replacement };
  if (replacement !== '') fields.fail('prefix_rewrite', 'excludes regex_rewrite: only one of them may be set');
  return readRegexRewrite(regex);
}

function readRegexRewrite(fields: Fields<RegexMatchAndSubstitute>): PathRewrite {
  const matcher = fields.required('pattern');
  // Only says which engine and how large a program.
  matcher.ignore('google_re2');
  const pattern = matcher.name('regex');
  const substitution = readTarget(fields, 'substitution');
  for (const { message } of compileSubstitution(pattern, substitution).errors ?? []) fields.failHere(message);
  return { kind: 'regex', pattern, substitution };
}

/** A piece of a request's target: what is not printable, and a space, would end the start line. */
export function readTarget<K extends string>(fields: Fields<Partial<Record<K, string>>>, key: K): string {
  const value = fields.text(key);
  if (/[^\x21-\x7e]/.test(value)) fields.fail(key, `must be printable ASCII without spaces, got ${show(value)}`);
  return value;
}

/** A Host; empty is none. */
export function readHost<K extends string>(fields: Fields<Partial<Record<K, string>>>, key: K): string | undefined {
  return readTarget(fields, key) || undefined;
}

/** What RFC 9113 §8 says of fields, read to the letter, for those that the proxy sends. */
import type { Field } from './hpack-writer.ts';

const requestPseudo: ReadonlySet<string> = new Set([':method', ':scheme', ':path', ':authority', ':protocol']);
const responsePseudo: ReadonlySet<string> = new Set([':status']);
const connectionSpecific: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

export type SectionKind = 'request' | 'response' | 'trailers';

/** Every breach in a section of fields. */
export function breachesOf(fields: readonly Field[], kind: SectionKind): string[] {
  const breaches = fields.flatMap((field) => breachesOfField(field));
  const pseudo = fields.flatMap(([name]) => (name.startsWith(':') ? [name] : []));
  const isPseudoFirst = fields.slice(0, pseudo.length).every(([name]) => name.startsWith(':'));
  if (!isPseudoFirst) breaches.push('a pseudo-header behind a header');
  if (new Set(pseudo).size !== pseudo.length) breaches.push('a pseudo-header twice');
  return [...breaches, ...breachesOfPseudo(new Set(pseudo), kind)];
}

function breachesOfPseudo(pseudo: ReadonlySet<string>, kind: SectionKind): string[] {
  const allowed = kind === 'request' ? requestPseudo : kind === 'response' ? responsePseudo : new Set<string>();
  const required = kind === 'request' ? [':method', ':scheme', ':path'] : kind === 'response' ? [':status'] : [];
  return [
    ...[...pseudo].filter((name) => !allowed.has(name)).map((name) => `${name} in a ${kind}`),
    ...required.filter((name) => !pseudo.has(name)).map((name) => `a ${kind} without ${name}`),
  ];
}

function breachesOfField([name, value]: Field): string[] {
  const breaches: string[] = [];
  if (!/^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)) breaches.push(`the name ${JSON.stringify(name)}`);
  if (/[\0\r\n]|^[ \t]|[ \t]$/.test(value)) breaches.push(`the value ${JSON.stringify(value)} of ${name}`);
  if (connectionSpecific.has(name)) breaches.push(`the header ${name}`);
  if (name === 'te' && value !== 'trailers') breaches.push(`te: ${value}`);
  return breaches;
}

export function valuesOf(fields: readonly Field[], name: string): string[] {
  return fields.flatMap(([each, value]) => (each === name ? [value] : []));
}

export function valueOf(fields: readonly Field[], name: string): string | undefined {
  return valuesOf(fields, name)[0];
}

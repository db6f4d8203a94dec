/** The request as the command line or a file describes it. */
import { CommandError, exitCodes } from '../exit-code.ts';
import type { ExplainRequest } from './explanation.ts';

export interface RequestWords {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

const tokenPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** A CommandError in one sentence where something is malformed. */
export function readRequest({ method, url, headers }: RequestWords): ExplainRequest {
  if (!tokenPattern.test(method)) throw usage(`"${method}" is no HTTP method`);
  const parsed = /^http:\/\/([^/?#\s]+)([^#\s]*)$/.exec(url);
  if (parsed === null || !URL.canParse(url) || parsed[1]?.includes('@') === true) {
    throw usage(`"${url}" is no URL like http://reviews/path`);
  }
  const target = parsed[2] ?? '';
  for (const [name, value] of headers) checkHeader(name, value);
  const host = headers.find(([name]) => name.toLowerCase() === 'host')?.[1];
  return {
    method: method.toUpperCase(),
    url,
    authority: host ?? parsed[1] ?? '',
    // Heads are one byte per character.
    path: Buffer.from(target.startsWith('/') ? target : `/${target}`).toString('latin1'),
    headers: headers
      .filter(([name]) => name.toLowerCase() !== 'host')
      .map(([name, value]) => [name, Buffer.from(value).toString('latin1')] as const),
  };
}

/** `NAME: VALUE`, as curl takes it. */
export function readHeader(text: string): readonly [name: string, value: string] {
  const colon = text.indexOf(':');
  if (colon < 1) throw usage(`"${text}" is no header like "end-user: jason"`);
  const header = [text.slice(0, colon).trim(), text.slice(colon + 1).trim()] as const;
  checkHeader(...header);
  return header;
}

function checkHeader(name: string, value: string): void {
  if (!tokenPattern.test(name)) throw usage(`"${name}" is no header name`);
  if (/[\0\r\n]/.test(value)) throw usage(`the value of header ${name} must be one line`);
}

export function usage(message: string): CommandError {
  return new CommandError(message, exitCodes.usage);
}

/**
 * Pure: Envoy's format strings, `text %VARIABLE% %VARIABLE(argument):maxLength%`, where `%%` is a percent sign. Source:
 * Envoy docs, access_log/usage and http_conn_man/headers.
 */
import type { Decoded, FieldError } from './decoded.ts';

/** What stands in the parentheses of each variable. `header`: `NAME` or `NAME?ALTERNATIVE`, read when NAME is absent. */
const variables = {
  BYTES_RECEIVED: 'nothing',
  BYTES_SENT: 'nothing',
  DOWNSTREAM_LOCAL_ADDRESS: 'nothing',
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: 'nothing',
  DOWNSTREAM_LOCAL_PORT: 'nothing',
  DOWNSTREAM_REMOTE_ADDRESS: 'nothing',
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: 'nothing',
  DOWNSTREAM_REMOTE_PORT: 'nothing',
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: 'nothing',
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: 'nothing',
  DOWNSTREAM_DIRECT_REMOTE_PORT: 'nothing',
  DURATION: 'nothing',
  HOSTNAME: 'nothing',
  PROTOCOL: 'nothing',
  REQ: 'header',
  RESP: 'header',
  RESPONSE_CODE: 'nothing',
  RESPONSE_CODE_DETAILS: 'nothing',
  RESPONSE_FLAGS: 'nothing',
  ROUTE_NAME: 'nothing',
  START_TIME: 'nothing',
  UPSTREAM_CLUSTER: 'nothing',
  UPSTREAM_CLUSTER_RAW: 'nothing',
  UPSTREAM_HOST: 'nothing',
  UPSTREAM_REMOTE_ADDRESS: 'nothing',
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: 'nothing',
  UPSTREAM_REMOTE_PORT: 'nothing',
} as const;

export type FormatVariable = keyof typeof variables;

export interface FormatCommand {
  readonly variable: FormatVariable;
  /** Names of headers in the order in which they are tried; empty for all other variables. */
  readonly headerNames: readonly string[];
  /** In characters; undefined = the whole value. */
  readonly maxLength: number | undefined;
}

/** A literal text or what a variable stands for. */
export type FormatPart = string | FormatCommand;

/** Every fault has an empty path: the caller knows where the text stands. */
export function parseFormat(source: string): Decoded<FormatPart[]> {
  const parts: FormatPart[] = [];
  const errors: FieldError[] = [];
  for (const [token, name, argument, maxLength] of source.matchAll(tokens)) {
    if (token === '%%') parts.push('%');
    else if (token === '%')
      errors.push({ path: '', message: 'has a "%" that begins no variable; a percent sign is "%%"' });
    else if (name === undefined) parts.push(token);
    else {
      const command = readCommand(name, argument, maxLength);
      if (command.errors === undefined) parts.push(command.value);
      else errors.push(...command.errors);
    }
  }
  return errors.length > 0 ? { errors } : { value: joinTexts(parts) };
}

/** Text, `%%`, a variable, or a percent sign that is none of these. */
const tokens = /[^%]+|%%|%([A-Z0-9_]+)(?:\(([^)]*)\))?(?::(\d+))?%|%/g;

function readCommand(
  name: string,
  argument: string | undefined,
  maxLength: string | undefined,
): Decoded<FormatCommand> {
  const fault = (message: string): Decoded<never> => ({ errors: [{ path: '', message }] });
  if (!isVariable(name)) return fault(`has the variable %${name}%, which is not supported`);
  const limit = maxLength === undefined ? undefined : Number(maxLength);
  if (variables[name] === 'nothing') {
    if (argument !== undefined) return fault(`has %${name}(${argument})%, but %${name}% takes no argument`);
    return { value: { variable: name, headerNames: [], maxLength: limit } };
  }
  const headerNames = (argument ?? '').split('?');
  if (headerNames.length > 2 || !headerNames.every((header) => /^:?[\w!#$&'*+.^`|~-]+$/.test(header))) {
    return fault(`must name one or two headers in %${name}(NAME?ALTERNATIVE)%, got "${argument ?? ''}"`);
  }
  return {
    value: { variable: name, headerNames: headerNames.map((header) => header.toLowerCase()), maxLength: limit },
  };
}

function isVariable(name: string): name is FormatVariable {
  return Object.hasOwn(variables, name);
}

function joinTexts(parts: readonly FormatPart[]): FormatPart[] {
  const joined: FormatPart[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (typeof part === 'string' && typeof last === 'string') joined[joined.length - 1] = last + part;
    else joined.push(part);
  }
  return joined;
}

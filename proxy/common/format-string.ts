/**
 * Pure: Envoy's format strings, `text %VARIABLE% %VARIABLE(argument):maxLength%`, where `%%` is a percent sign. Source:
 * Envoy docs, access_log/usage and http_conn_man/headers.
 */
import type { Decoded, FieldError } from './decoded.ts';
import { parseTimeFormat } from './time-format.ts';

/**
 * What stands in the parentheses of each variable. `header`: `NAME` or `NAME?ALTERNATIVE`, read when NAME is absent;
 * `metadata`: `NAMESPACE:KEY`; `name`: any name; `time`: nothing, or what `parseTimeFormat` takes; `grpc`: nothing, or how a gRPC status is written.
 */
const variables = {
  BYTES_RECEIVED: 'nothing',
  BYTES_SENT: 'nothing',
  CONNECTION_ID: 'nothing',
  CONNECTION_TERMINATION_DETAILS: 'nothing',
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
  DYNAMIC_METADATA: 'metadata',
  ENVIRONMENT: 'name',
  GRPC_STATUS: 'grpc',
  GRPC_STATUS_NUMBER: 'nothing',
  HOSTNAME: 'nothing',
  PROTOCOL: 'nothing',
  REQ: 'header',
  REQUESTED_SERVER_NAME: 'nothing',
  REQUEST_DURATION: 'nothing',
  RESP: 'header',
  RESPONSE_CODE: 'nothing',
  RESPONSE_CODE_DETAILS: 'nothing',
  RESPONSE_DURATION: 'nothing',
  RESPONSE_FLAGS: 'nothing',
  RESPONSE_FLAGS_LONG: 'nothing',
  RESPONSE_TX_DURATION: 'nothing',
  ROUTE_NAME: 'nothing',
  START_TIME: 'time',
  TRACE_ID: 'nothing',
  TRAILER: 'header',
  UPSTREAM_CLUSTER: 'nothing',
  UPSTREAM_CLUSTER_RAW: 'nothing',
  UPSTREAM_CONNECTION_ID: 'nothing',
  UPSTREAM_HOST: 'nothing',
  UPSTREAM_LOCAL_ADDRESS: 'nothing',
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: 'nothing',
  UPSTREAM_LOCAL_PORT: 'nothing',
  UPSTREAM_PROTOCOL: 'nothing',
  UPSTREAM_REMOTE_ADDRESS: 'nothing',
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: 'nothing',
  UPSTREAM_REMOTE_PORT: 'nothing',
  UPSTREAM_REQUEST_ATTEMPT_COUNT: 'nothing',
  UPSTREAM_TRANSPORT_FAILURE_REASON: 'nothing',
  VIRTUAL_CLUSTER_NAME: 'nothing',
} as const;

export type FormatVariable = keyof typeof variables;

export interface FormatCommand {
  readonly variable: FormatVariable;
  /** Names of headers in the order in which they are tried; empty for all other variables. */
  readonly headerNames: readonly string[];
  /** As it stands in the parentheses; empty without them. */
  readonly argument: string;
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

function readCommand(name: string, argument = '', maxLength?: string): Decoded<FormatCommand> {
  if (!isVariable(name)) return fault(`has the variable %${name}%, which is not supported`);
  const kind = variables[name];
  const message = argumentFaults[kind](name, argument);
  if (message !== undefined) return fault(message);
  if (maxLength !== undefined && (kind === 'nothing' || kind === 'time' || kind === 'grpc')) {
    return fault(
      `has %${name}% with a maximal length, which only REQ, RESP, TRAILER, DYNAMIC_METADATA and ENVIRONMENT may have`,
    );
  }
  const headerNames = kind === 'header' ? argument.toLowerCase().split('?') : [];
  const limit = maxLength === undefined ? undefined : Number(maxLength);
  return { value: { variable: name, headerNames, argument, maxLength: limit } };
}

function fault(message: string): Decoded<never> {
  return { errors: [{ path: '', message }] };
}

/** What is wrong with an argument. */
const argumentFaults: Readonly<
  Record<(typeof variables)[FormatVariable], (name: string, argument: string) => string | undefined>
> = {
  nothing: (name, argument) =>
    argument === '' ? undefined : `has %${name}(${argument})%, but %${name}% takes no argument`,
  name: (name, argument) => (argument === '' ? `must have a name in %${name}(NAME)%` : undefined),
  header: (name, argument) => {
    const names = argument.split('?');
    const areNames = names.length <= 2 && names.every((header) => /^:?[\w!#$&'*+.^`|~-]+$/.test(header));
    return areNames ? undefined : `must name one or two headers in %${name}(NAME?ALTERNATIVE)%, got "${argument}"`;
  },
  metadata: (name, argument) =>
    /^[^:]+:[^:]+$/.test(argument)
      ? undefined
      : `must have a namespace and one key in %${name}(NAMESPACE:KEY)%, got "${argument}"`,
  time: (name, argument) => {
    const [error] = parseTimeFormat(argument).errors ?? [];
    return error && `has %${name}(${argument})%, which ${error.message}`;
  },
  grpc: (name, argument) =>
    ['', 'CAMEL_STRING', 'SNAKE_STRING', 'NUMBER'].includes(argument)
      ? undefined
      : `has %${name}(${argument})%, but there are only CAMEL_STRING, SNAKE_STRING and NUMBER`,
};

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

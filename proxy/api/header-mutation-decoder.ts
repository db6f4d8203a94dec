/** Decodes the four header lists that a route, a virtual host and a route configuration have in common. */
import { parseFormat } from '../common/format-string.ts';
import type { HeaderValue, HeaderValueOption as HeaderValueOptionJson } from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { show } from './field-path.ts';
import type { HeaderMutations, HeaderValueOption } from './route.ts';

interface MutationFields {
  request_headers_to_add?: HeaderValueOptionJson[];
  request_headers_to_remove?: string[];
  response_headers_to_add?: HeaderValueOptionJson[];
  response_headers_to_remove?: string[];
}

export const noMutations: HeaderMutations = { requestAdd: [], requestRemove: [], responseAdd: [], responseRemove: [] };

export function readHeaderMutations(fields: Fields<MutationFields>): HeaderMutations {
  return {
    requestAdd: fields.list('request_headers_to_add', readHeader).flat(),
    requestRemove: readRemoved(fields, 'request_headers_to_remove'),
    responseAdd: fields.list('response_headers_to_add', readHeader).flat(),
    responseRemove: readRemoved(fields, 'response_headers_to_remove'),
  };
}

/** No entry at all for an empty value, unless it is to be kept: as in Envoy. */
export function readHeader(fields: Fields<HeaderValueOptionJson>): HeaderValueOption[] {
  const header = fields.required('header');
  const option = {
    name: headerName(header.name('key'), (message) => header.fail('key', message)),
    value: readValue(header),
    appendAction: readAppendAction(fields),
    keepsEmptyValue: fields.flag('keep_empty_value'),
  };
  return option.value === '' && !option.keepsEmptyValue ? [] : [option];
}

function readAppendAction(fields: Fields<HeaderValueOptionJson>): HeaderValueOption['appendAction'] {
  const action = fields.take('append_action');
  const isAppended = fields.take('append');
  if (isAppended === undefined) return action ?? 'APPEND_IF_EXISTS_OR_ADD';
  if (action !== undefined) fields.fail('append', 'excludes append_action: only one of them may be set');
  return isAppended ? 'APPEND_IF_EXISTS_OR_ADD' : 'OVERWRITE_IF_EXISTS_OR_ADD';
}

/** A format string, checked here and compiled where it is used. */
function readValue(header: Fields<HeaderValue>): string {
  const value = header.text('value');
  if (/[\r\n\0]/.test(value)) header.fail('value', 'must be one line');
  for (const { message } of parseFormat(value).errors ?? []) header.fail('value', message);
  return value;
}

function readRemoved(
  fields: Fields<MutationFields>,
  key: 'request_headers_to_remove' | 'response_headers_to_remove',
): string[] {
  return (fields.take(key) ?? []).map((name) => headerName(name, (message) => fields.fail(key, message)));
}

/** RFC 9110 section 5.6.2 says what a name is made of; the request's target is not a header to change. */
function headerName(name: string, fail: (message: string) => void): string {
  if (!/^[!#$%&'*+.^_`|~\w-]*$/.test(name)) fail(`must be the name of a header field, got ${show(name)}`);
  const reason = untouchable[name.toLowerCase()];
  if (reason !== undefined) fail(`must not change ${name}: ${reason}`);
  return name.toLowerCase();
}

/** Headers that rules may not change, and why. */
const untouchable: Readonly<Record<string, string>> = {
  host: 'it says where the request goes',
  'content-length': 'each hop frames bodies itself',
  'transfer-encoding': 'each hop frames bodies itself',
};

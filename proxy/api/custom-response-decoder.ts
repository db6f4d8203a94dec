/** Decodes `envoy.extensions.filters.http.custom_response.v3.CustomResponse`, for what RBAC filters refuse. */
import type { CustomResponse, CustomResponseConfig, MetadataCondition } from './custom-response.ts';
import type {
  CustomResponse as CustomResponseJson,
  DynamicMetadataInput,
  envoy_extensions_matching_input_matchers_metadata_v3_Metadata as MetadataMatcherJson,
  LocalResponsePolicy,
  Matcher,
  Matcher_MatcherList_FieldMatcher as FieldMatcher,
  Matcher_MatcherList_Predicate as Predicate,
  Matcher_MatcherList_Predicate_SinglePredicate as SinglePredicate,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { defaultMaxBodyBytes } from './local-action-decoder.ts';
import { readHeader } from './header-mutation-decoder.ts';

export function readCustomResponse(fields: Fields<CustomResponseJson>): CustomResponseConfig {
  const matcher = fields.message('custom_response_matcher');
  return { kind: 'custom_response', responses: matcher === undefined ? [] : readResponses(matcher) };
}

/** In Envoy one that says nothing leaves in force what the filter says. */
export function readCustomResponsePerRoute(fields: Fields<CustomResponseJson>): CustomResponseConfig {
  return { kind: 'custom_response', responses: readResponses(fields.required('custom_response_matcher')) };
}

function readResponses(fields: Fields<Matcher>): CustomResponse[] {
  return fields.required('matcher_list').list('matchers', readResponse);
}

/** Only what the proxy refuses itself is replaced: with other conditions an application's response might be meant. */
function readResponse(fields: Fields<FieldMatcher>): CustomResponse {
  const conditions = readPredicate(fields.required('predicate'));
  const isOfRefusal = conditions.some(({ key, value }) => key.endsWith(engineResultKey) && value === 'denied');
  if (!isOfRefusal) fields.fail('predicate', `must have the condition that ${engineResultKey} of RBAC is "denied"`);
  const action = fields.required('on_match').required('action');
  action.name('name');
  const response = action.typed('typed_config', {
    'envoy.extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy': readLocalResponse,
  });
  return { conditions, ...(response ?? { status: undefined, body: '', headers: [] }) };
}

const engineResultKey = 'enforced_engine_result';

function readPredicate(fields: Fields<Predicate>): MetadataCondition[] {
  const all = fields.message('and_matcher');
  if (all !== undefined) return all.list('predicate', readPredicate).flat();
  return [readCondition(fields.required('single_predicate'))];
}

function readCondition(fields: Fields<SinglePredicate>): MetadataCondition {
  const input = fields.required('input');
  input.name('name');
  const place = input.typed('typed_config', {
    'envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput': readMetadataPlace,
  });
  const custom = fields.required('custom_match');
  custom.name('name');
  const value = custom.typed('typed_config', {
    'envoy.extensions.matching.input_matchers.metadata.v3.Metadata': readExactValue,
  });
  return { namespace: place?.namespace ?? '', key: place?.key ?? '', value: value ?? '' };
}

type Place = Pick<MetadataCondition, 'namespace' | 'key'>;

/** Values of this proxy's metadata are texts, never structures. */
export function readMetadataPlace(fields: Fields<DynamicMetadataInput>): Place {
  const keys = fields.list('path', (segment) => segment.name('key'));
  if (keys.length !== 1) fields.fail('path', `must have one key, got ${keys.length}`);
  return { namespace: fields.name('filter'), key: keys[0] ?? '' };
}

export function readExactValue(fields: Fields<MetadataMatcherJson>): string {
  fields.only('invert', false);
  const text = fields.required('value').required('string_match');
  text.only('ignore_case', false);
  return text.text('exact');
}

function readLocalResponse(fields: Fields<LocalResponsePolicy>): Omit<CustomResponse, 'conditions'> {
  const body = fields.message('body')?.text('inline_string') ?? '';
  const size = Buffer.byteLength(body);
  if (size > defaultMaxBodyBytes) fields.fail('body', `must have at most ${defaultMaxBodyBytes} bytes, got ${size}`);
  const status = fields.number('status_code', { defaultValue: 403, min: 200, max: 599 });
  return {
    status: fields.has('status_code') ? status : undefined,
    body,
    headers: fields.list('response_headers_to_add', readHeader).flat(),
  };
}

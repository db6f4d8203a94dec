/**
 * RateLimit: how many requests are sent to a host, by each sidecar (LOCAL, the default) or by all of them together (GLOBAL).
 * Heddle's own kind: Istio has no resource for Envoy's local rate limit, only patches of its configuration. It is the quota
 * of a CheckRule: what a rule lets in may still be too much.
 */
import { Type, type Static } from 'typebox';
import * as s from './schema.ts';

/** Global limits of one host and mode that headers choose: their combinations must be listed on the wire. */
export const maxConditionalLimits = 6;

const stringMatch = s.message({ exact: s.string, prefix: s.string, regex: s.string });

export const rateLimitSchema = Type.Object(
  {
    host: Type.String({ description: 'The host to which the requests go; a short name is of the namespace.' }),
    routes: s.optional(
      Type.Array(Type.String(), { description: "Names of the host's HTTP routes in its VirtualService; default all." }),
    ),
    methods: s.optional(
      Type.Array(Type.String(), { maxItems: 10, description: 'Only requests with these methods; default all.' }),
    ),
    paths: s.optional(
      Type.Array(stringMatch, {
        maxItems: 10,
        description: 'Only requests with these paths, compared without the query; default all.',
      }),
    ),
    headers: s.optional(
      Type.Record(Type.String(), stringMatch, {
        description: 'Only requests of which all these headers match; default all.',
      }),
    ),
    sourceLabels: s.optional(
      Type.Record(Type.String(), Type.String(), {
        description: 'Only requests of workloads that have these labels; default all.',
      }),
    ),
    requests: Type.Integer({
      minimum: 1,
      maximum: 2 ** 32 - 1,
      description: 'How many requests each sidecar may send per interval, or all of them together.',
    }),
    interval: Type.String({
      description: 'At least 50ms, of a GLOBAL limit 1s; tokens come back once per interval, of a GLOBAL limit evenly.',
    }),
    burst: s.optional(
      Type.Integer({
        minimum: 1,
        maximum: 2 ** 32 - 1,
        description: 'How many requests may go at once after a quiet time; default as many as requests.',
      }),
    ),
    mode: s.optional(s.oneOf('ENFORCE', 'SHADOW')),
    scope: s.optional(s.oneOf('LOCAL', 'GLOBAL')),
    onUnavailable: s.optional(s.oneOf('failOpen', 'failClosed')),
  },
  {
    additionalProperties: false,
    description: 'How many requests each sidecar, or all of them together, may send to a host.',
  },
);

export type RateLimitSpec = Static<typeof rateLimitSchema>;

type StringMatch = Static<typeof stringMatch>;

/** What a request's headers must be like for the limit to be about it: method and path are headers to a proxy. */
export function requestConditions({ methods, paths, headers = {} }: RateLimitSpec): (readonly [string, StringMatch])[] {
  return [
    ...(methods === undefined ? [] : [[':method', { regex: methods.join('|') }] as const]),
    ...(paths === undefined ? [] : [[':path', { regex: paths.map(pathPattern).join('|') }] as const]),
    ...Object.entries(headers),
  ];
}

/** Of the whole `:path`, whose query does not count. */
function pathPattern({ exact, prefix, regex = '' }: StringMatch): string {
  if (prefix !== undefined) return `${quoted(prefix)}.*`;
  return `(?:${exact === undefined ? regex : quoted(exact)})(?:\\?.*)?`;
}

/** As it is in RE2 (syntax of google/re2). */
function quoted(text: string): string {
  return text.replaceAll(/[\\^$.|?*+()[\]{}]/g, '\\$&');
}

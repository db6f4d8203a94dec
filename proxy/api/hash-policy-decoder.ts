/** Decodes `envoy.config.route.v3.RouteAction.HashPolicy`: which parts of a request its hash is made of. */
import type {
  RouteAction as RouteActionJson,
  RouteAction_HashPolicy as HashPolicyJson,
  RouteAction_HashPolicy_Cookie as CookieJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import type { HashKey, HashPolicy, RouteHash } from './route.ts';

/** Undefined without a policy: then `choosesCluster` has no hash to choose by, and chance decides as in Envoy. */
export function readRouteHash(fields: Fields<RouteActionJson>, choosesCluster: boolean): RouteHash | undefined {
  const policies = fields.list('hash_policy', readHashPolicy);
  return policies.length === 0 ? undefined : { policies, choosesCluster };
}

function readHashPolicy(fields: Fields<HashPolicyJson>): HashPolicy {
  return { key: readKey(fields), isTerminal: fields.flag('terminal') };
}

function readKey(fields: Fields<HashPolicyJson>): HashKey {
  const header = fields.message('header');
  if (header !== undefined) return { kind: 'header', name: header.name('header_name').toLowerCase() };
  const cookie = fields.message('cookie');
  if (cookie !== undefined) return readCookie(cookie);
  const query = fields.message('query_parameter');
  if (query !== undefined) return { kind: 'query_parameter', name: query.name('name') };
  const connection = fields.message('connection_properties');
  if (connection !== undefined) {
    if (!connection.flag('source_ip'))
      connection.fail('source_ip', 'must be true: nothing else of a connection is hashed');
  } else if (!fields.has('filter_state')) {
    fields.failHere('must have one of header, cookie, connection_properties and query_parameter');
  }
  return { kind: 'source_ip' };
}

/** What stands in a Set-Cookie header must not end it, or the header line (RFC 6265 §4.1.1). */
const cookieName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const attributeText = /^[\x20-\x3a\x3c-\x7e]*$/;

function readCookie(fields: Fields<CookieJson>): HashKey {
  const name = fields.name('name');
  if (name !== '' && !cookieName.test(name))
    fields.fail('name', 'must be a token of RFC 9110, without spaces and separators');
  const path = fields.text('path');
  if (!attributeText.test(path)) fields.fail('path', 'must have no semicolon and no control characters');
  const attributes = fields.list('attributes', (attribute) => {
    const text = { name: attribute.name('name'), value: attribute.text('value') };
    for (const key of ['name', 'value'] as const) {
      if (!attributeText.test(text[key])) attribute.fail(key, 'must have no semicolon and no control characters');
    }
    return text;
  });
  const ttlMs = fields.has('ttl') ? fields.durationMs('ttl', 0) : undefined;
  return { kind: 'cookie', name, path, attributes, ttlMs };
}

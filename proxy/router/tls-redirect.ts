/** Virtual hosts that are served by TLS only (Envoy's `require_tls`): plain requests are sent to the same place by https. */
import type { Route, VirtualHost } from '../api/route.ts';
import { internalName, schemeOf } from '../http/forwarded-headers.ts';
import type { RequestHead } from '../http/message-head.ts';

const noMutations = { requestAdd: [], requestRemove: [], responseAdd: [], responseRemove: [] };

export const tlsRedirectRoute: Route = {
  name: '',
  match: { path: { kind: 'prefix', value: '/', caseSensitive: true }, headers: [], queryParameters: [] },
  action: {
    kind: 'redirect',
    status: 301,
    scheme: 'https',
    host: undefined,
    port: undefined,
    path: undefined,
    stripQuery: false,
  },
  bufferLimitBytes: undefined,
  headers: noMutations,
  statPrefix: '',
  decorator: undefined,
  tracing: undefined,
  filterConfigs: undefined,
};

/** A trusted proxy may end TLS before this one. */
export function lacksTls(head: RequestHead, requirement: VirtualHost['requiresTls']): boolean {
  if (requirement === 'NONE' || schemeOf(head) === 'https') return false;
  return requirement === 'ALL' || head.headers.get(internalName) !== 'true';
}

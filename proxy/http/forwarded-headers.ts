/** Headers by which proxies tell the next one about a request. */
import { HeaderName } from './header-name.ts';
import type { RequestHead } from './message-head.ts';

export const requestIdName: HeaderName = new HeaderName('x-request-id');
export const forwardedProtoName: HeaderName = new HeaderName('x-forwarded-proto');
export const forwardedForName: HeaderName = new HeaderName('x-forwarded-for');
export const clientCertificateName: HeaderName = new HeaderName('x-forwarded-client-cert');
/** The client of a request from outside. */
export const externalAddressName: HeaderName = new HeaderName('x-envoy-external-address');
/** `true` on requests of the mesh's own clients. */
export const internalName: HeaderName = new HeaderName('x-envoy-internal');

/** By `x-forwarded-proto`, which the connection manager has set where nobody said it before, as in Envoy. */
export function schemeOf({ headers }: RequestHead): 'http' | 'https' {
  return headers.get(forwardedProtoName) === 'https' ? 'https' : 'http';
}

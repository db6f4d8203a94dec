/** Headers by which proxies tell the next one about a request. */
import { HeaderName } from './header-name.ts';

export const requestIdName: HeaderName = new HeaderName('x-request-id');
export const forwardedProtoName: HeaderName = new HeaderName('x-forwarded-proto');
export const forwardedForName: HeaderName = new HeaderName('x-forwarded-for');
export const clientCertificateName: HeaderName = new HeaderName('x-forwarded-client-cert');
/** The client of a request from outside. */
export const externalAddressName: HeaderName = new HeaderName('x-envoy-external-address');
/** `true` on requests of the mesh's own clients. */
export const internalName: HeaderName = new HeaderName('x-envoy-internal');

/** MeshConfig's providers of authorization: services that are asked whether a request may pass. */
import { type Static, Type } from 'typebox';
import { durationFault } from './duration.ts';
import type { Findings } from './findings.ts';
import * as s from './schema.ts';

/** Requests wait until that much of them has come. */
const requestBody = s.record({
  maxRequestBytes: Type.Integer({ minimum: 1, maximum: 2 ** 32 - 1 }),
  /** What is longer is told in part; default false: it is answered with 413. */
  allowPartialMessage: s.optional(s.boolean),
  /** As bytes and not as text; default false. */
  packAsBytes: s.optional(s.boolean),
});

/** Istio's `envoyExtAuthzGrpc`. */
export const authorizationService = s.record({
  /** Host of a service of the mesh, which a Service or a ServiceEntry declares; `NAMESPACE/HOST` is accepted. */
  service: s.string,
  port: s.port,
  /** Of one question; default 1 s, where Istio waits for 10 minutes. */
  timeout: s.optional(s.duration),
  /** Whether requests pass when nobody answers; default false. */
  failOpen: s.optional(s.boolean),
  /** What it is told of bodies; default nothing. */
  includeRequestBodyInCheck: s.optional(requestBody),
});

export type AuthorizationService = Static<typeof authorizationService>;

export interface AuthorizationConfig {
  readonly extensionProviders?: readonly { readonly name: string; readonly envoyExtAuthzGrpc?: AuthorizationService }[];
}

export interface AuthorizationProvider {
  readonly name: string;
  readonly service: AuthorizationService;
  /** Of the service, without a namespace in front. */
  readonly hostname: string;
}

export function authorizationProviders({ extensionProviders = [] }: AuthorizationConfig): AuthorizationProvider[] {
  return extensionProviders.flatMap(({ name, envoyExtAuthzGrpc: service }) => {
    if (service === undefined) return [];
    return [{ name, service, hostname: service.service.slice(service.service.indexOf('/') + 1).toLowerCase() }];
  });
}

/** Whether it is called by proxies themselves, over HTTP/2. */
export function isAuthorizationService(
  config: AuthorizationConfig,
  { hostname, port }: { readonly hostname: string; readonly port: number },
): boolean {
  return authorizationProviders(config).some((one) => one.hostname === hostname && one.service.port === port);
}

export function checkAuthorizationService(service: AuthorizationService, path: string, findings: Findings): void {
  if (service.service === '') findings.error(`${path}.service`, 'must be set');
  if (service.timeout !== undefined) findings.expect(`${path}.timeout`, durationFault(service.timeout));
}

/** Rules that a sidecar answers itself: redirects (semantics S27) and direct responses. */
import type { HTTPRoute } from '../../crds/virtual-service.ts';
import type {
  DirectResponseAction,
  RedirectAction,
  RedirectAction_RedirectResponseCode,
} from '../../proxy/api/envoy.gen.ts';

type Redirect = NonNullable<HTTPRoute['redirect']>;
type DirectResponse = NonNullable<HTTPRoute['directResponse']>;

/** Istio's limit for the body of a direct response, which it raises from Envoy's 4096. */
export const maxDirectResponseBytes = 1_048_576;

const responseCodes: Readonly<Record<number, RedirectAction_RedirectResponseCode>> = {
  301: 'MOVED_PERMANENTLY',
  302: 'FOUND',
  303: 'SEE_OTHER',
  307: 'TEMPORARY_REDIRECT',
  308: 'PERMANENT_REDIRECT',
};

/** `port`: the one that requests address. One that the scheme has anyway is not named: Envoy would name it. */
export function buildRedirect(redirect: Redirect, port: number): RedirectAction {
  const { uri, prefixRewrite, authority, scheme, redirectCode } = redirect;
  const wanted = redirect.port || (redirect.derivePort === 'FROM_REQUEST_PORT' ? port : undefined);
  const port_redirect = wanted === (scheme === 'https' ? 443 : 80) ? undefined : wanted;
  return {
    ...(authority ? { host_redirect: authority } : {}),
    ...(uri ? { path_redirect: uri } : {}),
    ...(prefixRewrite ? { prefix_rewrite: prefixRewrite } : {}),
    ...(scheme ? { scheme_redirect: scheme } : {}),
    ...(port_redirect === undefined ? {} : { port_redirect }),
    response_code: responseCodes[redirectCode || 301] ?? 'MOVED_PERMANENTLY',
  };
}

export function buildDirectResponse({ status, body }: DirectResponse): DirectResponseAction {
  if (body?.bytes !== undefined) return { status, body: { inline_bytes: body.bytes } };
  return body?.string === undefined ? { status } : { status, body: { inline_string: body.string } };
}

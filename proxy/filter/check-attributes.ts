/** What an authorization service is told about a request (Envoy's `envoy.service.auth.v3.AttributeContext`). */
import { withoutMapping } from '../common/mapped-address.ts';
import type {
  AttributeContext,
  AttributeContext_HttpRequest,
  AttributeContext_Peer,
  envoy_config_core_v3_Metadata as Metadata,
} from '../api/envoy.gen.ts';
import type { ExtAuthzConfig } from '../api/ext-authz.ts';
import { schemeOf } from '../http/forwarded-headers.ts';
import type { RequestHead } from '../http/message-head.ts';
import type { HttpStream } from '../http/stream.ts';
import { compileStringMatcher, type StringPredicate } from '../router/route-match.ts';

export type AttributeReader = (
  stream: HttpStream,
  extensions: Readonly<Record<string, string>>,
  body?: CheckedBody,
) => AttributeContext;

export interface CheckedBody {
  readonly bytes: Buffer;
  /** There is more of it. */
  readonly isPartial: boolean;
}

export function createAttributeReader({
  allowedHeaders,
  disallowedHeaders,
  metadataNamespaces,
  requestBody,
}: ExtAuthzConfig): AttributeReader {
  const allowed = allowedHeaders?.map(compileStringMatcher);
  const disallowed = disallowedHeaders.map(compileStringMatcher);
  const isTold: StringPredicate = (name) =>
    !disallowed.some((matches) => matches(name)) && (allowed === undefined || allowed.some((matches) => matches(name)));
  return (stream, context_extensions, body) => {
    const { codec, request, startMs, timeSource } = stream;
    const scheme = schemeOf(request);
    return {
      source: peerOf(codec?.remoteAddress),
      destination: peerOf(codec?.localAddress),
      request: {
        time: new Date(timeSource.wallTimeMs(startMs)).toISOString(),
        http: {
          method: request.method,
          path: request.path,
          host: request.authority,
          scheme,
          protocol: codec?.protocol ?? '',
          headers: { ...headersOf(request, scheme, isTold), ...partialHeader(body) },
          ...(body === undefined ? {} : bodyOf(body, requestBody?.isPackedAsBytes === true)),
        },
      },
      context_extensions: { ...context_extensions },
      metadata_context: metadataOf(stream, metadataNamespaces),
    };
  };
}

/** Envoy's word for whether there is more of the body. */
function partialHeader(body: CheckedBody | undefined): Record<string, string> {
  return body === undefined ? {} : { 'x-envoy-auth-partial-body': String(body.isPartial) };
}

/** What is no UTF-8 is told with marks in its place, as far as it is told as text. */
function bodyOf(
  { bytes }: CheckedBody,
  isPackedAsBytes: boolean,
): Pick<AttributeContext_HttpRequest, 'body' | 'raw_body'> {
  return isPackedAsBytes ? { raw_body: bytes.toString('base64') } : { body: bytes.toString('utf8') };
}

/** Namespaces of which nothing is known are left out. */
function metadataOf({ metadata }: HttpStream, namespaces: readonly string[]): Metadata {
  const told = namespaces.map((namespace) => [namespace, metadata.valuesOf(namespace)] as const);
  return { filter_metadata: Object.fromEntries(told.filter(([, values]) => Object.keys(values).length > 0)) };
}

function peerOf(endpoint = ''): AttributeContext_Peer {
  const colon = endpoint.lastIndexOf(':');
  const address = withoutMapping(endpoint.slice(0, Math.max(colon, 0)));
  return { address: { socket_address: { address, port_value: Number(endpoint.slice(colon + 1)) || 0 } } };
}

/** Of several values one text, as in Envoy; the parts of the start line are headers too. */
function headersOf(
  { method, path, authority, headers }: RequestHead,
  scheme: string,
  isTold: StringPredicate,
): Record<string, string> {
  const told = new Map<string, string>();
  const add = (name: string, value: string): void => {
    if (!isTold(name)) return;
    const before = told.get(name);
    told.set(name, before === undefined ? value : `${before},${value}`);
  };
  for (const [name, value] of Object.entries({
    ':method': method,
    ':path': path,
    ':authority': authority,
    ':scheme': scheme,
  })) {
    add(name, value);
  }
  for (let i = 0; i < headers.count; i++) {
    const name = headers.isRemovedAt(i) ? 'host' : headers.nameAt(i).toLowerCase();
    if (name !== 'host') add(name, headers.valueAt(i));
  }
  for (let i = 0; i < headers.addedCount; i++) add(headers.addedNames[i]?.text ?? '', headers.addedValues[i] ?? '');
  return Object.fromEntries(told);
}

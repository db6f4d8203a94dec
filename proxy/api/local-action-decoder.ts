/** Decodes what a proxy answers itself: `envoy.config.route.v3.RedirectAction` and `DirectResponseAction`. */
import type {
  DirectResponseAction as DirectResponseActionJson,
  RedirectAction as RedirectActionJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { readHost, readPathRewrite, readTarget } from './path-rewrite-decoder.ts';
import type { DirectResponseAction, RedirectAction } from './route.ts';

/** Envoy's default of `max_direct_response_body_size_bytes`. */
export const defaultMaxBodyBytes = 4096;

export function readDirectResponse(
  fields: Fields<DirectResponseActionJson>,
  maxBodyBytes: number,
): DirectResponseAction {
  const source = fields.message('body');
  const encoded = source?.take('inline_bytes');
  const body =
    encoded === undefined ? Buffer.from(source?.text('inline_string') ?? '') : Buffer.from(encoded, 'base64');
  if (body.length > maxBodyBytes) fields.fail('body', `must have at most ${maxBodyBytes} bytes, got ${body.length}`);
  return { kind: 'direct_response', status: fields.number('status', { defaultValue: 0, min: 200, max: 599 }), body };
}

const statuses = {
  MOVED_PERMANENTLY: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
} as const;

export function readRedirect(fields: Fields<RedirectActionJson>): RedirectAction {
  const port = fields.number('port_redirect', { defaultValue: 0, max: 65_535 });
  const responseCode = fields.choice('response_code', [
    'MOVED_PERMANENTLY',
    'FOUND',
    'SEE_OTHER',
    'TEMPORARY_REDIRECT',
    'PERMANENT_REDIRECT',
  ]);
  return {
    kind: 'redirect',
    status: statuses[responseCode],
    scheme: fields.flag('https_redirect') ? 'https' : readHost(fields, 'scheme_redirect')?.toLowerCase(),
    host: readHost(fields, 'host_redirect'),
    port: port === 0 ? undefined : port,
    path: readPath(fields),
    stripQuery: fields.flag('strip_query'),
  };
}

function readPath(fields: Fields<RedirectActionJson>): RedirectAction['path'] {
  const value = readTarget(fields, 'path_redirect');
  return value === '' ? readPathRewrite(fields) : { kind: 'path', value };
}

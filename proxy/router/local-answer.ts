/** Routes that lead to no cluster: the proxy answers itself. */
import type { DirectResponseAction, RedirectAction } from '../api/route.ts';
import { HeaderName } from '../http/header-name.ts';
import type { HttpStream } from '../http/stream.ts';
import type { CompiledRoute } from './route-table.ts';

const locationName = new HeaderName('location');

/** `action` is that of `route`. */
export function answerLocally(
  stream: HttpStream,
  { redirect }: CompiledRoute,
  action: RedirectAction | DirectResponseAction,
): void {
  if (action.kind === 'direct_response') {
    stream.sendDirectResponse(action.status, action.body);
    return;
  }
  const head = stream.prepareLocalReply(action.status);
  if (redirect !== undefined) head.headers.add(locationName, redirect(stream.request));
  stream.encodeHeaders(true);
}

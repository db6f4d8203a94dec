import type { HttpStream } from '../http/stream.ts';
import type { CompiledRoute, RouteTable } from './route-table.ts';

/**
 * The route of the stream's request: looked up when the first filter asks, then kept, so that all filters and the router
 * act on one snapshot. Undefined when none matches.
 */
export function currentRoute(stream: HttpStream, routes: () => RouteTable | undefined): CompiledRoute | undefined {
  if (stream.route !== undefined) return stream.route;
  const route = routes()?.match(stream.request);
  if (route === undefined) return undefined;
  stream.route = route;
  stream.routeName = route.name;
  return route;
}

/** Which routes a RateLimit is about, and what it is called there. */
import type { Route } from '../../proxy/api/envoy.gen.ts';
import type { RateLimit } from '../model/rate-limits.ts';

/** A rule with several matches becomes several routes: `rule` or `rule.match`. */
export function isCovered({ name = '' }: Route, { spec: { routes = [] } }: RateLimit): boolean {
  return routes.length === 0 || routes.some((wanted) => name === wanted || name.startsWith(`${wanted}.`));
}

export function idOf({ metadata }: RateLimit): string {
  return `${metadata.namespace}/${metadata.name}`;
}

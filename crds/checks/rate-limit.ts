/** RateLimit as a whole. */
import { durationFault, parseDurationMs } from '../duration.ts';
import { childPath, show } from '../findings.ts';
import { domainFault, headerNameFault } from '../names.ts';
import type { RateLimitSpec } from '../rate-limit.ts';
import type { Check } from './check.ts';
import { checkLabels } from './labels.ts';
import { checkMethods, checkPaths } from './request-match.ts';
import { checkStringMatch } from './string-match.ts';

/** Envoy's lower bound of a token bucket's `fill_interval`. */
const minIntervalMs = 50;
/** What is divided among sidecars several times per second cannot come back faster. */
const minGlobalIntervalMs = 1_000;

export const checkRateLimit: Check<RateLimitSpec> = (spec, _metadata, findings) => {
  findings.expect('spec.host', domainFault(spec.host));
  const intervalMs = parseDurationMs(spec.interval) ?? 0;
  const isGlobal = spec.scope === 'GLOBAL';
  const least = isGlobal ? minGlobalIntervalMs : minIntervalMs;
  const shortFault = `must be at least ${isGlobal ? '1s where scope is GLOBAL' : '50ms'}, got ${show(spec.interval)}`;
  findings.expect('spec.interval', durationFault(spec.interval) ?? (intervalMs >= least ? undefined : shortFault));
  if (spec.onUnavailable !== undefined && !isGlobal) {
    findings.error('spec.onUnavailable', 'has no effect where scope is not GLOBAL: nobody is asked for a local limit');
  }
  if (spec.burst !== undefined && spec.burst < spec.requests) {
    findings.error('spec.burst', `must be at least requests, ${spec.requests}, got ${spec.burst}`);
  }
  for (const [index, name] of (spec.routes ?? []).entries()) {
    if (name === '') findings.error(`spec.routes[${index}]`, 'must be the name of a route, got ""');
  }
  const { methods, paths } = spec;
  for (const [key, list] of Object.entries({ methods, paths })) {
    if (list?.length === 0) findings.error(`spec.${key}`, 'must have at least one');
  }
  checkMethods(methods ?? [], 'spec.methods', findings);
  checkPaths(paths ?? [], 'spec.paths', findings);
  for (const [name, match] of Object.entries(spec.headers ?? {})) {
    const path = childPath('spec.headers', name);
    findings.expect(path, name === name.toLowerCase() ? headerNameFault(name) : 'must be lower case');
    checkStringMatch(match, path, findings);
  }
  checkLabels(spec.sourceLabels ?? {}, 'spec.sourceLabels', findings);
};

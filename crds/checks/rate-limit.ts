/** RateLimit as a whole. */
import { durationFault, parseDurationMs } from '../duration.ts';
import { childPath, show } from '../findings.ts';
import { domainFault, headerNameFault } from '../names.ts';
import type { RateLimitSpec } from '../rate-limit.ts';
import type { Check } from './check.ts';
import { checkLabels } from './labels.ts';
import { checkStringMatch } from './string-match.ts';

/** Envoy's lower bound of a token bucket's `fill_interval`. */
const minIntervalMs = 50;

export const checkRateLimit: Check<RateLimitSpec> = (spec, _metadata, findings) => {
  findings.expect('spec.host', domainFault(spec.host));
  const intervalMs = parseDurationMs(spec.interval) ?? 0;
  const isLong = intervalMs >= minIntervalMs;
  const shortFault = isLong ? undefined : `must be at least ${minIntervalMs}ms, got ${show(spec.interval)}`;
  findings.expect('spec.interval', durationFault(spec.interval) ?? shortFault);
  if (spec.burst !== undefined && spec.burst < spec.requests) {
    findings.error('spec.burst', `must be at least requests, ${spec.requests}, got ${spec.burst}`);
  }
  for (const [index, name] of (spec.routes ?? []).entries()) {
    if (name === '') findings.error(`spec.routes[${index}]`, 'must be the name of a route, got ""');
  }
  for (const [name, match] of Object.entries(spec.headers ?? {})) {
    const path = childPath('spec.headers', name);
    findings.expect(path, name === name.toLowerCase() ? headerNameFault(name) : 'must be lower case');
    checkStringMatch(match, path, findings);
  }
  checkLabels(spec.sourceLabels ?? {}, 'spec.sourceLabels', findings);
};

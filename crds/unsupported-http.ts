/** The part of HTTP rules that is in force, where it is decided by a value: the sidecars would refuse everything else. */
import { type FieldError, type Decoded } from '../proxy/common/decoded.ts';
import { parseFormat } from '../proxy/common/format-string.ts';
import { compileSubstitution } from '../proxy/common/regex-substitution.ts';
import { childPath, show } from './findings.ts';
import type { TrafficPolicy } from './traffic-policy.ts';

/** Values of `set` and `add`, by header: `%VARIABLES%` that a sidecar knows, and plain text for the Host. */
export function unsupportedHeaderValues(values: unknown, path: string): FieldError[] {
  if (typeof values !== 'object' || values === null) return [];
  return Object.entries(values).flatMap(([name, value]) => {
    const at = childPath(path, name);
    if (/^(?::authority|host)$/i.test(name)) return unsupportedTarget(value, at);
    if (isFraming(name)) return [{ path: at, message: 'must not be changed: each sidecar frames bodies itself' }];
    return faultsAt(parseFormat(String(value)), at);
  });
}

/** A rule that changes one of these could make a body end where it does not. */
function isFraming(name: string): boolean {
  return /^(?:content-length|transfer-encoding)$/i.test(name);
}

/** One name under `remove`. */
export function unsupportedHeaderRemoval(name: unknown, path: string): FieldError[] {
  return isFraming(String(name)) ? [{ path, message: 'must not be removed: each sidecar frames bodies itself' }] : [];
}

/** A Host, a path or a piece of one: what ends up in a request's start line, or in a Location. */
export function unsupportedTarget(value: unknown, path: string): FieldError[] {
  if (/^[\x21-\x7e]*$/.test(String(value))) return [];
  return [{ path, message: `must be printable ASCII without spaces, got ${show(value)}` }];
}

/** A proxy is asked for a tunnel in HTTP/1.1. */
export function unsupportedTunnel(
  { tunnel, connectionPool, portLevelSettings = [] }: TrafficPolicy,
  path: string,
): FieldError[] {
  if (tunnel === undefined) return [];
  const pools = [
    { at: path, pool: connectionPool },
    ...portLevelSettings.map((port, i) => ({ at: `${path}.portLevelSettings[${i}]`, pool: port.connectionPool })),
  ];
  return pools.flatMap(({ at, pool }) => {
    const message = '"UPGRADE" is not supported yet beside tunnel: proxies are asked for tunnels in HTTP/1.1';
    return pool?.http?.h2UpgradePolicy === 'UPGRADE'
      ? [{ path: `${at}.connectionPool.http.h2UpgradePolicy`, message }]
      : [];
  });
}

/** `value` has passed the kind's own validation. */
export function unsupportedRegexRewrite(value: unknown, path: string): FieldError[] {
  const { match = '', rewrite = '' } = value as { match?: string; rewrite?: string };
  return [...unsupportedTarget(rewrite, `${path}.rewrite`), ...faultsAt(compileSubstitution(match, rewrite), path)];
}

function faultsAt({ errors = [] }: Decoded<unknown>, path: string): FieldError[] {
  return errors.map(({ message }) => ({ path, message }));
}

/** Load balancer settings of a DestinationRule. */
import { durationFault } from '../duration.ts';
import { childPath, type Findings, show } from '../findings.ts';
import type { ConsistentHash, LoadBalancerSettings, LocalityLbSetting } from '../traffic-policy.ts';

export function checkLoadBalancer(
  settings: LoadBalancerSettings,
  path: string,
  findings: Findings,
  hasOutlierDetection: boolean,
): void {
  const { simple, consistentHash, localityLbSetting, zoneAwareLbSetting, warmup, warmupDurationSecs } = settings;
  if (simple !== undefined && consistentHash !== undefined)
    findings.error(path, 'must have only one of simple and consistentHash');
  if (consistentHash !== undefined) checkConsistentHash(consistentHash, `${path}.consistentHash`, findings);
  if (localityLbSetting !== undefined && zoneAwareLbSetting !== undefined) {
    findings.error(path, 'must have only one of localityLbSetting and zoneAwareLbSetting');
  }
  for (const [field, locality] of Object.entries({ localityLbSetting, zoneAwareLbSetting })) {
    if (locality === undefined) continue;
    const hasFailover = (locality.failover?.length ?? 0) + (locality.failoverPriority?.length ?? 0) > 0;
    if (hasFailover && !hasOutlierDetection) findings.warn(`${path}.${field}`, 'fails over only with outlierDetection');
  }
  if (localityLbSetting !== undefined) checkLocality(localityLbSetting, `${path}.localityLbSetting`, findings);
  if (zoneAwareLbSetting !== undefined) checkFailover(zoneAwareLbSetting, `${path}.zoneAwareLbSetting`, findings);
  for (const [nth, label] of (zoneAwareLbSetting?.failoverPriority ?? []).entries()) {
    if (!topologyLabels.has(label)) continue;
    findings.error(
      `${path}.zoneAwareLbSetting.failoverPriority[${nth}]`,
      `must not be ${label}: zones are preferred anyway`,
    );
  }
  if (warmup !== undefined) findings.expect(`${path}.warmup.duration`, durationFault(warmup.duration));
  if (warmupDurationSecs !== undefined)
    findings.expect(`${path}.warmupDurationSecs`, durationFault(warmupDurationSecs));
}

const hashKeys = ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'] as const;
/** Envoy's limit of a Maglev table. */
const maglevTableLimit = 5_000_011;

function checkConsistentHash(hash: ConsistentHash, path: string, findings: Findings): void {
  const keys = hashKeys.filter((field) => hash[field] !== undefined);
  if (keys.length > 1) findings.error(path, `must have only one hash key, got ${keys.join(' and ')}`);
  checkCookie(hash.httpCookie, `${path}.httpCookie`, findings);
  const algorithms = (['ringHash', 'maglev', 'minimumRingSize'] as const).filter((field) => hash[field] !== undefined);
  if (algorithms.length > 1) findings.error(path, `must have only one of ${algorithms.join(' and ')}`);
  if (hash.minimumRingSize) findings.warn(`${path}.minimumRingSize`, 'is deprecated: use ringHash.minimumRingSize');
  if (hash.maglev === undefined) return;
  const { tableSize } = hash.maglev;
  const isValid = tableSize !== undefined && tableSize < maglevTableLimit && isPrime(tableSize);
  if (!isValid)
    findings.error(`${path}.maglev.tableSize`, `must be a prime below ${maglevTableLimit}, got ${show(tableSize)}`);
}

function checkCookie(cookie: ConsistentHash['httpCookie'], path: string, findings: Findings): void {
  if (cookie?.name === '') findings.error(`${path}.name`, 'must not be empty');
  if (cookie?.ttl !== undefined && cookie.ttl !== '0s') findings.expect(`${path}.ttl`, durationFault(cookie.ttl));
  const names = new Set<string>();
  for (const [index, { name }] of (cookie?.attributes ?? []).entries()) {
    const at = `${path}.attributes[${index}].name`;
    if (name === '') findings.error(at, 'must not be empty');
    else if (names.has(name)) findings.error(at, `repeats ${show(name)}`);
    names.add(name);
  }
}

function isPrime(value: number): boolean {
  for (let factor = 2; factor * factor <= value; factor += 1) if (value % factor === 0) return false;
  return value > 1;
}

const topologyLabels: ReadonlySet<string> = new Set([
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'topology.istio.io/subzone',
]);

function checkFailover(setting: Pick<LocalityLbSetting, 'failover'>, path: string, findings: Findings): void {
  for (const [index, { from = '', to = '' }] of (setting.failover ?? []).entries()) {
    const at = `${path}.failover[${index}]`;
    if (from === to) findings.error(at, `must name two regions, got ${show(from)} twice`);
    for (const [end, region] of Object.entries({ from, to })) {
      if (/[/*]/.test(region))
        findings.error(`${at}.${end}`, `must be a region without zone or wildcard, got ${show(region)}`);
    }
  }
}

export function checkLocality(setting: LocalityLbSetting, path: string, findings: Findings): void {
  checkFailover(setting, path, findings);
  const { distribute = [], failover = [], failoverPriority = [] } = setting;
  if (distribute.length > 0 && failover.length > 0)
    findings.error(path, 'must have only one of distribute and failover');
  for (const [nth, label] of failoverPriority.entries()) {
    if (failover.length === 0 || !topologyLabels.has(label)) continue;
    findings.error(`${path}.failoverPriority[${nth}]`, `must not be ${label} beside failover`);
  }
  for (const [index, { to = {} }] of distribute.entries()) {
    const at = `${path}.distribute[${index}].to`;
    for (const [locality, weight] of Object.entries(to)) {
      if (weight < 1 || weight > 100)
        findings.error(childPath(at, locality), `must be between 1 and 100, got ${weight}`);
    }
    const total = Object.values(to).reduce((sum, weight) => sum + weight, 0);
    if (total !== 100) findings.error(at, `must sum to 100, got ${total}`);
    checkLocalities(Object.keys(to), at, findings);
  }
  checkLocalities(
    distribute.map(({ from = '' }) => from),
    `${path}.distribute`,
    findings,
  );
}

/** `region/zone/subzone`, shortened from the right or ended with `*`; no two of a list may cover each other. */
function checkLocalities(localities: readonly string[], path: string, findings: Findings): void {
  const seen: { readonly locality: string; readonly parts: readonly string[] }[] = [];
  for (const locality of localities) {
    const parts = locality.split('/');
    if (
      parts.some((part, index) => part === '' || (part.includes('*') && (part !== '*' || index < parts.length - 1)))
    ) {
      findings.error(path, `must be region/zone/subzone with a wildcard only at the end, got ${show(locality)}`);
      continue;
    }
    const prefix = parts.at(-1) === '*' ? parts.slice(0, -1) : parts;
    const earlier = seen.find((other) => isPrefix(other.parts, prefix) || isPrefix(prefix, other.parts));
    if (earlier !== undefined)
      findings.error(path, `must not overlap, got ${show(earlier.locality)} and ${show(locality)}`);
    seen.push({ locality, parts: prefix });
  }
}

function isPrefix(short: readonly string[], long: readonly string[]): boolean {
  return short.every((part, index) => part === long[index]);
}

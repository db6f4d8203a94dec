/** What of a `loadBalancer` is valid Istio and would not do what it says: combinations and values, not single fields. */
import type { FieldError } from '../proxy/common/decoded.ts';
import { show } from './findings.ts';
import { tokenPattern } from './sticky.ts';
import type { ConsistentHash, LoadBalancerSettings } from './traffic-policy.ts';

/** Envoy's limit of a ring. */
const ringSizeLimit = 8_388_608;
/** RFC 6265 §4.1.1: what may stand in an attribute of a cookie. */
const attributePattern = /^[\x20-\x3a\x3c-\x7e]*$/;

/** `settings` have passed the schema. */
export function loadBalancerFaults(settings: LoadBalancerSettings, path: string): FieldError[] {
  const { simple = 'LEAST_REQUEST', consistentHash, zoneAwareLbSetting, warmup, warmupDurationSecs } = settings;
  const faults = consistentHash === undefined ? [] : hashFaults(consistentHash, `${path}.consistentHash`);
  const isBalanced = consistentHash === undefined && simple !== 'PASSTHROUGH';
  if (zoneAwareLbSetting !== undefined && !isBalanced) {
    const other = consistentHash === undefined ? simple : 'consistentHash';
    const message = `has no effect with ${other}, only with LEAST_REQUEST, ROUND_ROBIN and RANDOM`;
    faults.push({ path: `${path}.zoneAwareLbSetting`, message });
  }
  const warmsUp = consistentHash === undefined && simple !== 'RANDOM' && simple !== 'PASSTHROUGH';
  for (const [field, value] of Object.entries({ warmup, warmupDurationSecs })) {
    if (value === undefined || warmsUp) continue;
    const message = `has no effect with ${consistentHash === undefined ? simple : 'consistentHash'}, only with ROUND_ROBIN and LEAST_REQUEST`;
    faults.push({ path: `${path}.${field}`, message });
  }
  return faults;
}

function hashFaults(hash: ConsistentHash, path: string): FieldError[] {
  const { httpHeaderName, httpQueryParameterName, httpCookie, ringHash, minimumRingSize } = hash;
  const faults: FieldError[] = [];
  const expect = (field: string, isFine: boolean, message: string): void => {
    if (!isFine) faults.push({ path: `${path}.${field}`, message });
  };
  const token = 'must be a token of RFC 9110, without spaces and separators';
  expect('httpHeaderName', isToken(httpHeaderName), `${token}, got ${show(httpHeaderName)}`);
  expect('httpQueryParameterName', httpQueryParameterName !== '', 'must not be empty');
  expect('httpCookie.name', isToken(httpCookie?.name), `${token}, got ${show(httpCookie?.name)}`);
  const attribute = 'must have no semicolon and no control characters';
  expect('httpCookie.path', attributePattern.test(httpCookie?.path ?? ''), attribute);
  for (const [index, { name, value = '' }] of (httpCookie?.attributes ?? []).entries()) {
    expect(`httpCookie.attributes[${index}]`, attributePattern.test(name + value), attribute);
  }
  const limit = `must be at most ${ringSizeLimit}`;
  expect('ringHash.minimumRingSize', (ringHash?.minimumRingSize ?? 0) <= ringSizeLimit, limit);
  expect('minimumRingSize', (minimumRingSize ?? 0) <= ringSizeLimit, limit);
  return faults;
}

function isToken(name: string | undefined): boolean {
  return name === undefined || tokenPattern.test(name);
}

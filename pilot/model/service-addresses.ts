/**
 * Addresses of services that nobody gave one, so that connections to them can be told apart once a sidecar's resolver
 * answers their names: as Istio allots them. An address is a function of the hostname: restarts change nothing.
 */
import { isIpAddress } from '../../crds/names.ts';
import { followsRequests, type Service } from './service.ts';

/** Istio's range, of the class that RFC 1112 reserves: no host has such an address. */
export const allottedRange = { prefix: '240.240.0.0', length: 16 } as const;

/** Without those that end in 0 or 255, which some programs take for a network or a broadcast. */
const lastBytes = 254;
const capacity = 256 * lastBytes;

/**
 * By hostname. `services` come oldest first: of two with one hash the older keeps its address and the other takes the next
 * free one. Services beyond the range's capacity get none.
 */
export function allotAddresses(services: Iterable<Service>): ReadonlyMap<string, string> {
  const byHostname = new Map<string, string>();
  const taken = new Uint8Array(capacity);
  for (const service of services) {
    if (!needsAddress(service) || byHostname.has(service.hostname) || byHostname.size === capacity) continue;
    let slot = hashOf(service.hostname) % capacity;
    while (taken[slot] === 1) slot = (slot + 1) % capacity;
    taken[slot] = 1;
    byHostname.set(service.hostname, `240.240.${Math.floor(slot / lastBytes)}.${(slot % lastBytes) + 1}`);
  }
  return byHostname;
}

/** A wildcard is many hosts; where requests say themselves where they go, connections do too. */
function needsAddress(service: Service): boolean {
  const { hostname, addresses } = service;
  return addresses === undefined && !hostname.startsWith('*') && !isIpAddress(hostname) && !followsRequests(service);
}

/** FNV-1a, 32 bits (RFC 9923). */
function hashOf(text: string): number {
  let hash = 0x81_1c_9d_c5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01_00_01_93);
  return hash >>> 0;
}

/**
 * RING_HASH: hosts have points on a ring of 2^32 places, a request belongs to the first point at or behind its hash
 * (Karger's consistent hashing; sizes as Envoy docs `load_balancers`, "Ring hash"). A host that comes or goes moves the
 * requests of its own points only, and the few that rounding moves because each host's number of points depends on theirs.
 */
import { murmurHash } from '../common/murmur-hash.ts';
import type { Picker, PickerOptions, WeightedHost } from './picker.ts';
import { hashOrRandom } from './random.ts';

export function createRingHashPicker(hosts: readonly WeightedHost[], { random, loadBalancing }: PickerOptions): Picker {
  if (hosts.length <= 1) return { pick: () => hosts[0]?.host };
  const { points, owners } = buildRing(hosts, loadBalancing);
  return {
    pick(hash, attempt = 0) {
      // A repeated attempt goes to the next point, as if this one's host were not there.
      const index = (findPoint(points, hashOrRandom(hash, random)) + attempt) % points.length;
      return hosts[owners[index] ?? 0]?.host;
    },
  };
}

interface Ring {
  /** Places in ascending order. */
  readonly points: Uint32Array;
  /** For each point the index of its host. */
  readonly owners: Uint32Array;
}

function buildRing(
  hosts: readonly WeightedHost[],
  { minimumRingSize, maximumRingSize }: { minimumRingSize: number; maximumRingSize: number },
): Ring {
  const total = hosts.reduce((sum, { weight }) => sum + weight, 0);
  const lightest = hosts.reduce((least, { weight }) => Math.min(least, weight), Infinity) / total;
  // A whole number of points for the lightest host keeps the shares exact; the upper limit is more important than that.
  const size = Math.min(Math.ceil(lightest * minimumRingSize) / lightest, maximumRingSize);
  // Place and owner in one number, 32 and 21 bits, because numbers sort fast.
  const places: number[] = [];
  let target = 0;
  hosts.forEach(({ host, weight }, owner) => {
    target += (size * weight) / total;
    // The sum may miss a whole number by a rounding error.
    for (let nth = 0; places.length < target - 1e-6; nth++) {
      places.push(murmurHash(`${host.address}_${nth}`) * ownerSpan + owner);
    }
  });
  const sorted = Float64Array.from(places).sort();
  const points = Uint32Array.from(sorted, (place) => Math.floor(place / ownerSpan));
  return { points, owners: Uint32Array.from(sorted, (place) => place % ownerSpan) };
}

const ownerSpan = 2 ** 21;

/** Index of the first point at or behind `hash`; behind the last comes the first. */
function findPoint(points: Uint32Array, hash: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((points[middle] ?? 0) < hash) low = middle + 1;
    else high = middle;
  }
  return low < points.length ? low : 0;
}

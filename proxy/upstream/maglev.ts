/**
 * MAGLEV: a table of a prime number of slots that hosts fill in turn, each in an order of its own; a request's hash names
 * a slot (Eisenbud et al., "Maglev", NSDI 2016, §3.4; weights as in Envoy). One look-up per request, and almost even
 * shares; a host that comes or goes moves its own share and little else.
 */
import { murmurHash } from '../common/murmur-hash.ts';
import type { Picker, PickerOptions, WeightedHost } from './picker.ts';
import { hashOrRandom } from './random.ts';

export function createMaglevPicker(hosts: readonly WeightedHost[], { random, loadBalancing }: PickerOptions): Picker {
  if (hosts.length <= 1) return { pick: () => hosts[0]?.host };
  const table = buildTable(hosts, loadBalancing.tableSize);
  return {
    pick(hash, attempt = 0) {
      // A repeated attempt flips the upper bits, which leads to another slot.
      const slot = ((hashOrRandom(hash, random) ^ -attempt) >>> 0) % table.length;
      return hosts[table[slot] ?? 0]?.host;
    },
  };
}

const empty = -1;

/** For each slot the index of its host. */
function buildTable(hosts: readonly WeightedHost[], size: number): Int32Array {
  const table = new Int32Array(size).fill(empty);
  const heaviest = hosts.reduce((most, { weight }) => Math.max(most, weight), 0);
  const turns = hosts.map(({ host, weight }) => new Turns(host.address, weight / heaviest, size));
  let filled = 0;
  for (let round = 1; filled < size; round++) {
    for (let owner = 0; owner < turns.length && filled < size; owner++) {
      const slot = turns[owner]?.take(round, table) ?? empty;
      if (slot === empty) continue;
      table[slot] = owner;
      filled += 1;
    }
  }
  return table;
}

/** A host's permutation of the slots, and how often it has been its turn. */
class Turns {
  readonly #share: number;
  readonly #size: number;
  readonly #skip: number;
  #next: number;
  #taken = 0;

  /** `share`: turns per round, at most 1. */
  constructor(key: string, share: number, size: number) {
    this.#share = share;
    this.#size = size;
    this.#next = murmurHash(key) % size;
    this.#skip = (murmurHash(key, skipSeed) % (size - 1)) + 1;
  }

  /** The first free slot of the permutation when it is this host's turn in `round`, counted from 1. */
  take(round: number, table: Int32Array): number {
    if (round * this.#share < this.#taken + 1 - 1e-9) return empty;
    this.#taken += 1;
    let slot = this.#next;
    while (table[slot] !== empty) slot = (slot + this.#skip) % this.#size;
    this.#next = (slot + this.#skip) % this.#size;
    return slot;
  }
}

const skipSeed = 0x9e3779b9;

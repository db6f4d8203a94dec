/**
 * Destinations whose servers speak first. To wait for their clients' first bytes would hold up every connection to them
 * (B8): it is done once, and then remembered for a while.
 */
import type { ConnectionFacts } from './filter-chain-match.ts';

/** Old ones are forgotten for new ones: a destination that comes back waits once more. */
const maxDestinations = 1_024;

type Destination = Pick<ConnectionFacts, 'destinationAddress' | 'destinationPort'>;

export class ServerFirstDestinations {
  readonly #keys = new Set<string>();

  has(destination: Destination): boolean {
    return this.#keys.size > 0 && this.#keys.has(keyOf(destination));
  }

  add(destination: Destination): void {
    const [oldest] = this.#keys;
    if (this.#keys.size >= maxDestinations && oldest !== undefined) this.#keys.delete(oldest);
    this.#keys.add(keyOf(destination));
  }
}

function keyOf({ destinationAddress, destinationPort }: Destination): string {
  return `${destinationAddress}:${destinationPort}`;
}

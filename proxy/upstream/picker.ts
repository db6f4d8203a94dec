/** Shape 1 for load balancing: a picker is built from one list of hosts and replaced, never changed, when the list changes. */
import type { LbPolicy, LoadBalancing } from '../api/load-balancing.ts';
import type { Clock } from '../common/clock.ts';
import type { Host } from './host.ts';
import { createLeastRequestPicker } from './least-request.ts';
import { createMaglevPicker } from './maglev.ts';
import { createPeakEwmaPicker } from './peak-ewma.ts';
import { createRandomPicker } from './random.ts';
import { createRingHashPicker } from './ring-hash.ts';
import { createRoundRobinPicker } from './round-robin.ts';

export interface Picker {
  /**
   * The host for one request; undefined when there is none. `hash` is that of the request, in [0, 2^32), when its route
   * makes one; `attempt` counts repetitions from 1, so that a policy that goes by the hash finds another host.
   * `destination` is where the request itself wants to go, in clusters that let it.
   */
  pick(hash?: number, attempt?: number, destination?: string): Host | undefined;
}

/** Uniform in [0, 1); injected so that tests are repeatable. */
export type Random = () => number;

export interface WeightedHost {
  readonly host: Host;
  /** Relative to the others; more than 0, not always whole. */
  readonly weight: number;
}

export interface PickerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly loadBalancing: LoadBalancing;
}

type PickerFactory = (hosts: readonly WeightedHost[], options: PickerOptions) => Picker;

/** The one table of load balancing policies. */
export const pickers: Readonly<Record<LbPolicy, PickerFactory>> = {
  ROUND_ROBIN: createRoundRobinPicker,
  LEAST_REQUEST: createLeastRequestPicker,
  RANDOM: createRandomPicker,
  RING_HASH: createRingHashPicker,
  MAGLEV: createMaglevPicker,
  PEAK_EWMA: createPeakEwmaPicker,
};

/** Policies by which the hash of a request decides. */
export const hashPolicies: ReadonlySet<LbPolicy> = new Set(['RING_HASH', 'MAGLEV']);

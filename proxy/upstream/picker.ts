/** Shape 1 for load balancing: a picker is built from one list of hosts and replaced, never changed, when the list changes. */
import type { LbPolicy } from '../api/cluster.ts';
import type { Host } from './host.ts';
import { createLeastRequestPicker } from './least-request.ts';
import { createRandomPicker } from './random.ts';
import { createRoundRobinPicker } from './round-robin.ts';

export interface Picker {
  /** The host for one request; undefined when there is none. */
  pick(): Host | undefined;
}

/** Uniform in [0, 1); injected so that tests are repeatable. */
export type Random = () => number;

type PickerFactory = (hosts: readonly Host[], random: Random) => Picker;

/** The one table of load balancing policies. */
export const pickers: Readonly<Record<LbPolicy, PickerFactory>> = {
  ROUND_ROBIN: createRoundRobinPicker,
  LEAST_REQUEST: createLeastRequestPicker,
  RANDOM: createRandomPicker,
};

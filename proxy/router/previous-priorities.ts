/**
 * The priorities that the retries of one request pass over: Envoy's `retry_priorities/previous_priorities`. When no
 * priority is left that has not been tried, all count again.
 */
import type { UpstreamCluster } from '../upstream/cluster.ts';
import type { Host } from '../upstream/host.ts';
import type { Picker } from '../upstream/picker.ts';

export class PreviousPriorities {
  readonly #updateFrequency: number;
  #attempted: Host[] = [];
  #passedOver: ReadonlySet<number> = new Set();

  /** `updateFrequency`: attempts from one look at them to the next. */
  constructor(updateFrequency: number) {
    this.#updateFrequency = updateFrequency;
  }

  /** An attempt there is being retried. */
  add(host: Host): void {
    this.#attempted.push(host);
    if (this.#attempted.length % this.#updateFrequency !== 0) return;
    this.#passedOver = new Set(this.#attempted.map(({ endpoint }) => endpoint.priority));
  }

  /** What chooses the host of the next attempt; the cluster itself when nothing is passed over. */
  pickerOf(cluster: UpstreamCluster): Picker {
    if (this.#passedOver.size === 0) return cluster;
    const picker = cluster.pickerWithout(this.#passedOver);
    if (picker !== undefined) return picker;
    this.#attempted = [];
    this.#passedOver = new Set();
    return cluster;
  }
}

/** Who asked for the endpoints of which service, so that a change of one service touches nobody else. */
import { parseOutboundClusterName } from '../networking/cluster-name.ts';

export class EndpointSubscribers<S> {
  /** Hostname → subscriber → names of clusters. */
  readonly #byHostname = new Map<string, Map<S, Set<string>>>();

  /** Replaces the names that a subscriber asked for. */
  update(subscriber: S, before: ReadonlySet<string>, after: ReadonlySet<string>): void {
    for (const name of before) if (!after.has(name)) this.#remove(subscriber, name);
    for (const name of after) if (!before.has(name)) this.#add(subscriber, name);
  }

  /** Subscriber → names of clusters of any of these services. */
  of(hostnames: Iterable<string>): ReadonlyMap<S, ReadonlySet<string>> {
    const found = new Map<S, Set<string>>();
    for (const hostname of hostnames) {
      for (const [subscriber, names] of this.#byHostname.get(hostname) ?? []) {
        const all = found.get(subscriber) ?? new Set<string>();
        for (const name of names) all.add(name);
        found.set(subscriber, all);
      }
    }
    return found;
  }

  #add(subscriber: S, name: string): void {
    const hostname = parseOutboundClusterName(name)?.hostname;
    if (hostname === undefined) return;
    const subscribers = this.#byHostname.get(hostname) ?? new Map<S, Set<string>>();
    this.#byHostname.set(hostname, subscribers);
    const names = subscribers.get(subscriber) ?? new Set<string>();
    subscribers.set(subscriber, names.add(name));
  }

  #remove(subscriber: S, name: string): void {
    const hostname = parseOutboundClusterName(name)?.hostname ?? '';
    const subscribers = this.#byHostname.get(hostname);
    const names = subscribers?.get(subscriber);
    names?.delete(name);
    if (names?.size === 0) subscribers?.delete(subscriber);
    if (subscribers?.size === 0) this.#byHostname.delete(hostname);
  }
}

/** All listeners: static ones for good, dynamic ones as LDS says. */
import { ConnectionChecks } from './connection-checks.ts';
import type { ConnectionLimit } from './connection-limit.ts';
import { isIPv6 } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { type Listener, listenerAddressesOf } from '../api/listener.ts';
import { type Decoded, type FieldError, formatFieldErrors } from '../common/decoded.ts';
import type { Clock } from '../common/clock.ts';
import type { Lifecycle } from '../common/lifecycle.ts';
import type { Logger } from '../common/log.ts';
import type { StatsStore } from '../common/stats.ts';
import { ActiveListener } from './active-listener.ts';
import type { ListenerComponentFactory } from './listener-component-factory.ts';
import { findListenerFault } from './listener-sockets.ts';
import { ListenerStats, readActiveConnections } from './listener-stats.ts';
import type { ServingListener } from './serving-listener.ts';

export interface ListenerManagerDependencies {
  readonly components: ListenerComponentFactory;
  readonly connectionLimit?: ConnectionLimit | undefined;
  readonly clock: Clock;
  readonly stats: StatsStore;
  readonly logger: Logger;
}

/** How long a new listener waits for its routes before it serves without; Envoy's default `initial_fetch_timeout`. */
const warmingTimeoutMs = 15_000;
/** How often a drain looks whether the last connection is gone. */
const drainPollMs = 20;

export class ListenerManager implements Lifecycle {
  readonly #dependencies: ListenerManagerDependencies;
  readonly #staticConfigs: readonly Listener[];
  readonly #active = new Map<string, ServingListener>();
  /** Removed or replaced listeners that still have connections. */
  readonly #draining = new Set<ServingListener>();
  /** Those without a socket, by the `address:port` of which they get the connections. */
  #byDestination: ReadonlyMap<string, ActiveListener> = new Map();
  #isDraining = false;

  constructor(staticConfigs: readonly Listener[], dependencies: ListenerManagerDependencies) {
    this.#staticConfigs = staticConfigs;
    this.#dependencies = dependencies;
  }

  /** Binds the static listeners; rejects, naming those that cannot be bound. */
  async start(): Promise<void> {
    const faults = faultsOf(this.#staticConfigs);
    const opened = faults.length > 0 ? { errors: faults } : await this.#openAll(this.#staticConfigs);
    if (opened.errors !== undefined) throw new Error(`listener ${formatFieldErrors(opened.errors)}`);
    for (const listener of opened.value) this.#activate(listener);
    this.#indexDestinations();
  }

  /** Routes have arrived: listeners that have all of theirs now begin to serve. */
  warmListeners(): void {
    for (const listener of this.#active.values()) {
      if (!listener.isWarm && this.#dependencies.components.hasRoutes(listener.config)) listener.warm();
    }
  }

  list(): ServingListener[] {
    return [...this.#active.values()];
  }

  /**
   * LDS, state of the world: all of it or, when an address cannot be bound, nothing. Errors name the listeners. Only an
   * address that a listener leaves in this very update is bound after that one has gone.
   */
  async replaceListeners(configs: readonly Listener[]): Promise<FieldError[]> {
    const wanted = new Set([...this.#staticConfigs, ...configs].map(({ name }) => name));
    const leaving = this.list().filter(({ config }) => !wanted.has(config.name));
    const faults = faultsOf(configs);
    if (faults.length > 0) return faults;
    const needing = configs.filter((config) => this.#needsSocket(config));
    const isLeft = (config: Listener): boolean => leaving.some((listener) => isSameAddress(listener.config, config));
    const opened = await this.#openAll(needing.filter((config) => !isLeft(config)));
    if (opened.errors !== undefined) return opened.errors;
    for (const listener of leaving) {
      this.#active.delete(listener.config.name);
      this.#startDraining(listener);
    }
    const reopened = await this.#openAll(needing.filter(isLeft));
    for (const listener of [...opened.value, ...(reopened.value ?? [])]) this.#activate(listener);
    for (const config of configs) this.#update(config);
    this.#indexDestinations();
    return reopened.errors ?? [];
  }

  #indexDestinations(): void {
    const unbound = this.list()
      .filter((each) => each instanceof ActiveListener)
      .filter(({ config }) => !config.bindsToPort);
    this.#byDestination = new Map(
      unbound.flatMap((each) => each.addresses.map(({ address, port }) => [`${address}:${port}`, each] as const)),
    );
  }

  /** The listener for connections that were meant for this address: its own, or that of its port on all of its family. */
  #listenerFor(address: string, port: number): ActiveListener | undefined {
    const ofAddress = this.#byDestination.get(`${address}:${port}`);
    return ofAddress ?? this.#byDestination.get(isIPv6(address) ? `:::${port}` : `0.0.0.0:${port}`);
  }

  #needsSocket(config: Listener): boolean {
    const current = this.#active.get(config.name);
    return current === undefined || !isSameAddress(current.config, config);
  }

  /** A changed filter chain on an unchanged address. */
  #update(config: Listener): void {
    const current = this.#active.get(config.name);
    if (current === undefined || isDeepStrictEqual(current.config, config)) return;
    current.update(config);
  }

  /** Binds all of them, or none. */
  async #openAll(configs: readonly Listener[]): Promise<Decoded<ServingListener[]>> {
    const opened: ServingListener[] = [];
    const errors: FieldError[] = [];
    for (const config of configs) {
      const listener = this.#create(config);
      const error = await this.#open(listener);
      if (error === undefined) opened.push(listener);
      else errors.push(error);
    }
    if (errors.length === 0 && !this.#isDraining) return { value: opened };
    for (const listener of opened) listener.close();
    return errors.length === 0 ? { value: [] } : { errors };
  }

  #create(config: Listener): ServingListener {
    const { components, clock, stats, connectionLimit } = this.#dependencies;
    if (config.dnsFilter !== undefined) return components.createDnsListener(config, config.dnsFilter);
    readActiveConnections(stats, config, () => this.#connectionCount(config));
    return new ActiveListener(config, {
      clock,
      stats: new ListenerStats(stats, config),
      components,
      createChecks: ({ checks }) => (checks.length === 0 ? undefined : new ConnectionChecks(checks, { clock, stats })),
      connectionLimit,
      listenerFor: (address, port) => this.#listenerFor(address, port),
    });
  }

  /** Of all versions of a listener on this address. */
  #connectionCount({ address, port }: Listener): number {
    let count = 0;
    for (const { config, connectionCount } of new Set([...this.#active.values(), ...this.#draining])) {
      if (config.address === address && config.port === port) count += connectionCount;
    }
    return count;
  }

  async #open(listener: ServingListener): Promise<FieldError | undefined> {
    const { name } = listener.config;
    const { logger } = this.#dependencies;
    try {
      const { usesSharedBuffer, missing } = await listener.start();
      if (!usesSharedBuffer) logger.warn('this Node hides its handles: reading with ordinary sockets, which is slower');
      for (const { address, port } of missing) {
        logger.warn('this machine has no IPv6: the listener takes IPv4 alone', { listener: name, address, port });
      }
      return undefined;
    } catch (cause) {
      return { path: name, message: cause instanceof Error ? cause.message : String(cause) };
    }
  }

  /** Takes the place of a listener of its name, which drains. */
  #activate(listener: ServingListener): void {
    const { components, clock, logger } = this.#dependencies;
    const { config } = listener;
    const previous = this.#active.get(config.name);
    this.#active.set(config.name, listener);
    if (previous !== undefined) this.#startDraining(previous);
    if (components.hasRoutes(config)) listener.warm();
    else clock.setTimer(() => listener.warm(), warmingTimeoutMs);
    if (!config.bindsToPort) return;
    for (const { address, port } of listener.addresses)
      logger.info('listening', { listener: config.name, address, port });
  }

  #startDraining(listener: ServingListener): void {
    listener.stopAccepting();
    this.#draining.add(listener);
    for (const each of this.#draining) if (each.connectionCount === 0) this.#draining.delete(each);
  }

  /** Connections are still accepted, but every response asks to reconnect elsewhere. */
  announceDrain(): void {
    for (const listener of [...this.#active.values(), ...this.#draining]) listener.announceDrain();
  }

  /**
   * Inbound listeners stop and finish, then outbound ones, because finishing an inbound request may need outbound ones.
   */
  async drain(deadlineMs: number): Promise<void> {
    this.#isDraining = true;
    const endMs = this.#dependencies.clock.monotonicMs() + deadlineMs;
    this.announceDrain();
    const all = [...this.#active.values(), ...this.#draining];
    const isOutbound = (listener: ServingListener): boolean => listener.config.trafficDirection === 'OUTBOUND';
    await this.#finish(
      all.filter((listener) => !isOutbound(listener)),
      endMs,
    );
    await this.#finish(all.filter(isOutbound), endMs);
    await this.close();
  }

  async #finish(listeners: readonly ServingListener[], endMs: number): Promise<void> {
    const { clock } = this.#dependencies;
    for (const listener of listeners) listener.stopAccepting();
    while (listeners.some((listener) => listener.connectionCount > 0) && clock.monotonicMs() < endMs) {
      await this.#sleep(drainPollMs);
    }
  }

  #sleep(delayMs: number): Promise<void> {
    const { clock } = this.#dependencies;
    return new Promise((resolve) => clock.setTimer(resolve, delayMs));
  }

  close(): Promise<void> {
    this.#isDraining = true;
    for (const listener of [...this.#active.values(), ...this.#draining]) listener.close();
    return Promise.resolve();
  }
}

/** What this machine cannot do is refused, rather than that connections go astray. */
function faultsOf(configs: readonly Listener[]): FieldError[] {
  return configs.flatMap((config) => {
    const message = findListenerFault(config);
    return message === undefined ? [] : [{ path: config.name, message }];
  });
}

/** Whether the sockets of the one serve the other. */
function isSameAddress(a: Listener, b: Listener): boolean {
  return isDeepStrictEqual(socketsOf(a), socketsOf(b));
}

function socketsOf(config: Listener): unknown {
  const { bindsToPort, isTransparent, dnsFilter } = config;
  return { bindsToPort, isTransparent, isDns: dnsFilter !== undefined, addresses: listenerAddressesOf(config) };
}

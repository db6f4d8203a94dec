/** All listeners: static ones for good, dynamic ones as LDS says. */
import { isDeepStrictEqual } from 'node:util';
import type { Listener } from '../api/listener.ts';
import type { FieldError } from '../common/decoded.ts';
import type { Clock } from '../common/clock.ts';
import type { Lifecycle } from '../common/lifecycle.ts';
import type { Logger } from '../common/log.ts';
import type { ConnectionManager } from '../http/connection-manager.ts';
import { ActiveListener } from './active-listener.ts';

export interface ListenerManagerDependencies {
  readonly createConnectionManager: (listener: Listener) => ConnectionManager;
  /** Whether everything that a listener refers to has arrived. */
  readonly hasRoutes: (listener: Listener) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long a new listener waits for its routes before it serves without; Envoy's default `initial_fetch_timeout`. */
const warmingTimeoutMs = 15_000;
/** How often a drain looks whether the last connection is gone. */
const drainPollMs = 20;

/** Implements Lifecycle; draining takes a notice besides. */
export class ListenerManager implements Lifecycle {
  readonly #dependencies: ListenerManagerDependencies;
  readonly #staticConfigs: readonly Listener[];
  readonly #active = new Map<string, ActiveListener>();
  /** Removed or replaced listeners that still have connections. */
  readonly #draining = new Set<ActiveListener>();
  #isDraining = false;

  constructor(staticConfigs: readonly Listener[], dependencies: ListenerManagerDependencies) {
    this.#staticConfigs = staticConfigs;
    this.#dependencies = dependencies;
  }

  /** Binds the static listeners; rejects with the first that cannot be bound. */
  async start(): Promise<void> {
    for (const config of this.#staticConfigs) {
      const error = await this.#add(config);
      if (error !== undefined) throw new Error(`listener ${error.path}: ${error.message}`);
    }
  }

  /** Routes have arrived: listeners that have all of theirs now begin to serve. */
  warmListeners(): void {
    for (const listener of this.#active.values()) {
      if (!listener.isWarm && this.#dependencies.hasRoutes(listener.config)) listener.warm();
    }
  }

  list(): ActiveListener[] {
    return [...this.#active.values()];
  }

  /** LDS, state of the world. Errors name the listeners that could not be bound; the others are in force. */
  async replaceListeners(configs: readonly Listener[]): Promise<FieldError[]> {
    const errors: FieldError[] = [];
    const wanted = new Set([...this.#staticConfigs, ...configs].map(({ name }) => name));
    for (const [name, listener] of this.#active) if (!wanted.has(name)) this.#retire(name, listener);
    for (const config of configs) {
      const error = await this.#put(config);
      if (error !== undefined) errors.push(error);
    }
    return errors;
  }

  async #put(config: Listener): Promise<FieldError | undefined> {
    const current = this.#active.get(config.name);
    if (current === undefined) return this.#add(config);
    if (isDeepStrictEqual(current.config, config)) return undefined;
    if (current.config.address === config.address && current.config.port === config.port) {
      current.update(config, this.#dependencies.createConnectionManager(config));
      return undefined;
    }
    const error = await this.#add(config);
    if (error === undefined) this.#startDraining(current);
    return error;
  }

  async #add(config: Listener): Promise<FieldError | undefined> {
    if (this.#isDraining) return undefined;
    const { createConnectionManager, logger } = this.#dependencies;
    const listener = new ActiveListener(config, createConnectionManager(config));
    try {
      const usesSharedBuffer = await listener.start();
      if (!usesSharedBuffer) logger.warn('this Node hides its handles: reading with ordinary sockets, which is slower');
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      return { path: config.name, message: `cannot listen on ${config.address}:${config.port}: ${reason}` };
    }
    if (this.#isDraining) {
      listener.close();
      return undefined;
    }
    this.#active.set(config.name, listener);
    if (this.#dependencies.hasRoutes(config)) listener.warm();
    else this.#dependencies.clock.setTimer(() => listener.warm(), warmingTimeoutMs);
    logger.info('listening', { listener: config.name, address: config.address, port: listener.port });
    return undefined;
  }

  #retire(name: string, listener: ActiveListener): void {
    this.#active.delete(name);
    this.#startDraining(listener);
  }

  #startDraining(listener: ActiveListener): void {
    listener.stopAccepting();
    this.#draining.add(listener);
    for (const each of this.#draining) if (each.connectionCount === 0) this.#draining.delete(each);
  }

  /**
   * For `noticeMs` connections are still accepted while every response asks to reconnect elsewhere; then inbound
   * listeners stop and finish, then outbound ones, because finishing an inbound request may need outbound ones.
   */
  async drain(deadlineMs: number, noticeMs = 0): Promise<void> {
    this.#isDraining = true;
    const endMs = this.#dependencies.clock.monotonicMs() + deadlineMs;
    const all = [...this.#active.values(), ...this.#draining];
    for (const listener of all) listener.announceDrain();
    await this.#sleep(noticeMs);
    const isOutbound = (listener: ActiveListener): boolean => listener.config.trafficDirection === 'OUTBOUND';
    await this.#finish(
      all.filter((listener) => !isOutbound(listener)),
      endMs,
    );
    await this.#finish(all.filter(isOutbound), endMs);
    await this.close();
  }

  async #finish(listeners: readonly ActiveListener[], endMs: number): Promise<void> {
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

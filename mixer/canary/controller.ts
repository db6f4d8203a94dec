/** Drives every Canary that pilot knows: observe, decide, apply, tell. Without pilot nothing moves and nothing breaks. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Clock } from '../../proxy/common/clock.ts';
import type { Lifecycle } from '../../proxy/common/lifecycle.ts';
import type { Logger } from '../../proxy/common/log.ts';
import type { Resource } from '../../crds/resource.ts';
import { CanaryMetrics } from './canary-metrics.ts';
import type { HttpCaller } from './http-caller.ts';
import type { PilotApi } from './pilot-client.ts';
import { Release, type ReleaseParts } from './release.ts';
import type { CanaryResource } from './release-plan.ts';
import { ResourceWatch } from './resource-watch.ts';
import { Teller } from './teller.ts';
import type { ObservedVersion, TrafficObserver } from './traffic-observer.ts';

export interface ControllerOptions {
  readonly pilot: PilotApi;
  readonly observer: TrafficObserver;
  readonly history: (version: ObservedVersion) => readonly number[];
  readonly caller: HttpCaller;
  readonly clock: Clock;
  readonly logger: Logger;
  /** In [0, 1); default Math.random. */
  readonly random?: () => number;
  /** Name of this driver in leases; default one that no other process has. */
  readonly holder?: string;
}

/** Looks happen this often, whatever the interval of an analysis is. */
const lookMs = 1000;

export class CanaryController implements Lifecycle {
  readonly metrics = new CanaryMetrics();
  readonly #options: ControllerOptions;
  readonly #canaries: ResourceWatch;
  readonly #rules: ResourceWatch;
  readonly #parts: ReleaseParts;
  #ruleList: readonly Resource[] = [];
  readonly #releases = new Map<string, Release>();
  #state: 'new' | 'running' | 'closed' = 'new';
  #cancelLook = (): void => {};

  constructor(options: ControllerOptions) {
    const { random = Math.random, holder = `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}` } = options;
    const { pilot, clock, caller } = options;
    const logger = options.logger.child('canary');
    this.#options = options;
    const watchParts = { pilot, clock, logger, random };
    this.#canaries = new ResourceWatch({ ...watchParts, kind: 'Canary', onChange: () => this.#reconcile() });
    this.#rules = new ResourceWatch({ ...watchParts, kind: 'DestinationRule', onChange: () => this.#readRules() });
    const teller = new Teller({ pilot, clock, logger, caller, random });
    const { observer, history } = options;
    const destinationRules = (): readonly Resource[] => this.#ruleList;
    const { metrics } = this;
    this.#parts = {
      pilot,
      observer,
      history,
      destinationRules,
      metrics,
      teller,
      clock,
      logger,
      holder,
      caller,
      random,
    };
  }

  /** Does not wait for pilot. */
  async start(): Promise<void> {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    this.#rules.start();
    this.#canaries.start();
    this.#scheduleLook();
  }

  /** One look at every release; the timer does the same. */
  async lookAtAll(): Promise<void> {
    await Promise.all([...this.#releases.values()].map((release) => release.look()));
  }

  /** Gives the leases up, so that others need not wait for their end. */
  async drain(deadlineMs: number): Promise<void> {
    if (this.#state !== 'running') return this.close();
    this.#stop();
    let cancel = (): void => {};
    const deadline = new Promise<void>((resolve) => {
      cancel = this.#options.clock.setTimer(resolve, deadlineMs);
    });
    await Promise.race([this.#closeReleases(true), deadline]);
    cancel();
    await this.close();
  }

  async close(): Promise<void> {
    this.#stop();
    await this.#closeReleases(false);
    await Promise.all([this.#canaries.close(), this.#rules.close()]);
  }

  #stop(): void {
    this.#state = 'closed';
    this.#cancelLook();
  }

  async #closeReleases(giveUp: boolean): Promise<void> {
    const releases = [...this.#releases.values()];
    this.#releases.clear();
    await Promise.all(releases.map((release) => release.close(giveUp)));
  }

  #scheduleLook(): void {
    this.#cancelLook = this.#options.clock.setTimer(() => {
      if (this.#state !== 'running') return;
      void this.lookAtAll();
      this.#scheduleLook();
    }, lookMs);
  }

  #readRules(): void {
    this.#ruleList = [...this.#rules.items.values()];
  }

  #reconcile(): void {
    if (this.#state !== 'running') return;
    const { items } = this.#canaries;
    for (const [key, resource] of items) {
      const canary = resource as CanaryResource;
      const release = this.#releases.get(key);
      if (release === undefined) this.#releases.set(key, new Release(canary, this.#parts));
      else release.update(canary);
    }
    for (const [key, release] of this.#releases) {
      if (items.has(key)) continue;
      this.#releases.delete(key);
      void release.close();
    }
  }
}

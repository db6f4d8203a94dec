/** A mesh in numbers: traffic by the weights in force, mixers that drive the release, and one clock for all. */
import { CanaryController } from '../../../mixer/canary/controller.ts';
import type { HttpAnswer, HttpCall, HttpCaller } from '../../../mixer/canary/http-caller.ts';
import { TrafficObserver } from '../../../mixer/canary/traffic-observer.ts';
import { silentLogger } from '../../../proxy/common/log.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { canary, destinationRule } from './canaries.ts';
import { FakePilot } from './fake-pilot.ts';
import { requests, series } from './samples.ts';

export interface Rates {
  /** Requests per second. */
  readonly traffic: number;
  /** Failed share of the requests to each version; exact, without chance. */
  readonly primary: number;
  readonly canary: number;
  /** Requests per second to the primary that no weight is in force for. */
  readonly elsewhere?: number;
}

type Carry = Record<'v1' | 'v2' | 'bad1' | 'bad2', number>;

interface Mixer {
  readonly controller: CanaryController;
  readonly observer: TrafficObserver;
}

const labels = {
  v1: { good: series({ version: 'v1' }), bad: series({ version: 'v1', code: '503' }) },
  v2: { good: series({ version: 'v2' }), bad: series({ version: 'v2', code: '503' }) },
};

export class ReleaseWorld {
  readonly clock = new ManualClock();
  readonly pilot: FakePilot;
  rates: Rates = { traffic: 100, primary: 0, canary: 0 };
  /** What webhooks and Prometheus answer. */
  answer: (call: HttpCall) => Promise<HttpAnswer> = () => Promise.resolve({ status: 200, text: '' });
  readonly asked: HttpCall[] = [];
  readonly mixers = new Map<string, Mixer>();
  /** Mixers to which no sidecar reports. */
  readonly deaf = new Set<string>();
  readonly #carry: Carry = { v1: 0, v2: 0, bad1: 0, bad2: 0 };

  constructor(spec: object = {}) {
    const analysis = {
      interval: '2s',
      stepWeights: [5, 50],
      minRequests: 20,
      ...(spec as { analysis?: object }).analysis,
    };
    this.pilot = new FakePilot(canary({ ...spec, analysis }), destinationRule);
  }

  async startMixer(holder: string): Promise<void> {
    const observer = new TrafficObserver();
    const caller: HttpCaller = {
      call: (call) => {
        this.asked.push(call);
        return this.answer(call);
      },
      close: () => Promise.resolve(),
    };
    const { pilot, clock } = this;
    const controller = new CanaryController({
      pilot,
      observer,
      history: () => [],
      caller,
      clock,
      logger: silentLogger,
      random: () => 0.5,
      holder,
    });
    this.mixers.set(holder, { controller, observer });
    await controller.start();
    await settle();
  }

  /** Without a word, as by SIGKILL. */
  async killMixer(holder: string): Promise<void> {
    const mixer = this.mixers.get(holder);
    this.mixers.delete(holder);
    await mixer?.controller.close();
  }

  /** Seconds of traffic; every mixer hears of all of it, and looks once a second. */
  async run(seconds: number, until: () => boolean = () => false): Promise<void> {
    for (let i = 0; i < seconds && !until(); i += 1) {
      this.#sendSecond();
      this.clock.advance(1000);
      await settle();
    }
  }

  get phases(): string[] {
    const seen: string[] = [];
    for (const { phase = '' } of this.pilot.written) if (phase !== '' && seen.at(-1) !== phase) seen.push(phase);
    return seen;
  }

  /** Weights in force, each once per change. */
  get weights(): number[] {
    const seen: number[] = [];
    for (const { canaryWeight = 0 } of this.pilot.written) if (seen.at(-1) !== canaryWeight) seen.push(canaryWeight);
    return seen;
  }

  #sendSecond(): void {
    const weight = this.pilot.status().canaryWeight ?? 0;
    const { traffic, primary, canary: canaryRate, elsewhere = 0 } = this.rates;
    const sent = {
      v1: this.#whole('v1', (traffic * (100 - weight)) / 100 + elsewhere),
      v2: this.#whole('v2', (traffic * weight) / 100),
    };
    this.#report('v1', sent.v1, this.#whole('bad1', sent.v1 * primary));
    this.#report('v2', sent.v2, this.#whole('bad2', sent.v2 * canaryRate));
  }

  #report(version: 'v1' | 'v2', sent: number, bad: number): void {
    for (const [holder, { observer }] of this.mixers) {
      if (this.deaf.has(holder)) continue;
      observer.increased(requests(labels[version].good, sent - bad, 0), []);
      observer.increased(requests(labels[version].bad, bad, 0), []);
    }
  }

  /** Fractions are carried over to the next second. */
  #whole(name: keyof Carry, amount: number): number {
    const exact = this.#carry[name] + amount;
    this.#carry[name] = exact - Math.floor(exact + 1e-9);
    return Math.floor(exact + 1e-9);
  }
}

/** Everything that waits for nothing but promises. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

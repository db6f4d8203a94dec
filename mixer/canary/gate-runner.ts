/**
 * Asks webhooks and Prometheus beside the looks of a release: a look reads the last answers and never waits for one, so
 * that nothing outside can hold a rollback up. Answers count in the phase and step in which they were asked.
 */
import type { Clock } from '../../proxy/common/clock.ts';
import type { Gate, Gates } from './situation.ts';
import { queryPrometheus } from './prometheus-query.ts';
import type { ExtraMetric, ReleasePlan, Webhook, WebhookType } from './release-plan.ts';
import type { Phase } from './release-status.ts';
import type { PilotApi } from './pilot-client.ts';
import { callWebhook, type WebhookParts, type WebhookPayload } from './webhook.ts';

/** Where a release stands; with another place all answers are forgotten. */
export interface GatePlace {
  readonly plan: ReleasePlan;
  readonly phase: Phase;
  readonly step: number;
}

/** One check, asked again and again. */
interface Check {
  isAsking: boolean;
  nextMs: number;
  isPassed: boolean | undefined;
  message: string;
  /** In a row. */
  breaches: number;
}

/** A query out of its range holds the step; this many in a row roll the release back. */
export const breachesToRollBack = 3;

/** Which webhooks are asked in which phase. */
const asked: Readonly<Partial<Record<Phase, readonly WebhookType[]>>> = {
  Initialized: ['pre-rollout'],
  Waiting: ['confirm-rollout'],
  Progressing: ['rollout', 'rollback'],
  WaitingPromotion: ['confirm-promotion', 'rollback'],
  Finalising: ['post-rollout'],
};

const endpointsCheck = 'the control plane';

/** What is not there yet may come at any time. */
const endpointsIntervalMs = 2_000;

export interface GateParts extends WebhookParts {
  readonly pilot: Pick<PilotApi, 'versionsOf'>;
}

export class GateRunner {
  readonly #parts: GateParts;
  readonly #clock: Clock;
  #place = '';
  #checks = new Map<string, Check>();

  constructor(parts: GateParts) {
    this.#parts = parts;
    this.#clock = parts.clock;
  }

  /** Asks what is due. Returns at once. */
  poll(place: GatePlace): void {
    this.#enter(place);
    const { plan, phase } = place;
    for (const hook of plan.webhooks) {
      if (asked[phase]?.includes(hook.type) === true)
        this.#ask(keyOf(hook), plan.intervalMs, () => this.#call(hook, place));
    }
    if (phase === 'Initialized' || phase === 'Waiting') {
      this.#ask(endpointsCheck, endpointsIntervalMs, () => this.#findEndpoints(plan));
    }
    if (phase !== 'Progressing' && phase !== 'WaitingPromotion') return;
    for (const metric of plan.metrics) this.#ask(`metric ${metric.name}`, metric.intervalMs, () => this.#query(metric));
  }

  /** The answers so far. */
  gates(place: GatePlace): Gates {
    this.#enter(place);
    const { plan } = place;
    const hooks = (type: WebhookType): Webhook[] => plan.webhooks.filter((hook) => hook.type === type);
    const allPass = (type: WebhookType): Gate => this.#all(hooks(type).map(keyOf));
    return {
      endpoints: this.#all([endpointsCheck]),
      preRollout: allPass('pre-rollout'),
      confirmRollout: allPass('confirm-rollout'),
      rollout: allPass('rollout'),
      confirmPromotion: allPass('confirm-promotion'),
      postRollout: this.#answered(hooks('post-rollout')),
      metrics: this.#all(plan.metrics.map(({ name }) => `metric ${name}`)),
      rollback: this.#rollback(hooks('rollback'), plan.metrics),
    };
  }

  #enter({ plan, phase, step }: GatePlace): void {
    const place = `${plan.revision} ${phase} ${step}`;
    if (place === this.#place) return;
    this.#place = place;
    this.#checks = new Map();
  }

  #ask(name: string, intervalMs: number, ask: () => Promise<Omit<Check, 'isAsking' | 'nextMs' | 'breaches'>>): void {
    const nowMs = this.#clock.monotonicMs();
    const check = this.#checks.get(name) ?? {
      isAsking: false,
      nextMs: nowMs,
      isPassed: undefined,
      message: `${name} has not answered yet`,
      breaches: 0,
    };
    this.#checks.set(name, check);
    if (check.isAsking || nowMs < check.nextMs) return;
    check.isAsking = true;
    check.nextMs = nowMs + intervalMs;
    void ask()
      .catch((error: unknown) => ({ isPassed: undefined, message: `${name}: ${String(error)}` }))
      .then(({ isPassed, message }) => {
        check.isAsking = false;
        check.isPassed = isPassed;
        check.message = message;
        check.breaches = isPassed === false ? check.breaches + 1 : 0;
      });
  }

  async #call(hook: Webhook, { plan, phase }: GatePlace): Promise<{ isPassed: boolean; message: string }> {
    return await callWebhook(hook, payloadOf(plan, phase), this.#parts);
  }

  async #findEndpoints({ primary, canary }: ReleasePlan): Promise<{ isPassed: boolean; message: string }> {
    const versions = await this.#parts.pilot.versionsOf(canary.host);
    const missing = versions && [canary, primary].find(({ version }) => !versions.includes(version));
    if (missing === undefined) return { isPassed: true, message: 'both versions have endpoints' };
    const { host, subset, version } = missing;
    const message = `waits for an endpoint of subset ${subset}: none of ${host} has version ${version}`;
    return { isPassed: false, message };
  }

  /** Undefined without a number: that is neither a pass nor a breach. */
  async #query(metric: ExtraMetric): Promise<{ isPassed: boolean | undefined; message: string }> {
    const { name, address, query, min, max } = metric;
    const result = await queryPrometheus(this.#parts.caller, address, query);
    if (result.fault !== undefined) return { isPassed: undefined, message: `metric ${name}: ${result.fault}` };
    const { value } = result;
    const isPassed = (min === undefined || value >= min) && (max === undefined || value <= max);
    const range = `[${min ?? '-∞'}, ${max ?? '∞'}]`;
    return { isPassed, message: `metric ${name} is ${value}, ${isPassed ? 'within' : 'outside'} ${range}` };
  }

  #all(names: readonly string[]): Gate {
    for (const name of names) {
      const check = this.#checks.get(name);
      if (check?.isPassed !== true) return { isOpen: false, message: check?.message ?? `${name} has not answered yet` };
    }
    return { isOpen: true, message: names.map((name) => this.#checks.get(name)?.message).join(', ') };
  }

  /** Any answer will do: what is over cannot be stopped. */
  #answered(hooks: readonly Webhook[]): Gate {
    const open = hooks.find((hook) => this.#checks.get(keyOf(hook))?.isPassed === undefined);
    return { isOpen: open === undefined, message: `webhook ${open?.name ?? ''} has not answered yet` };
  }

  #rollback(hooks: readonly Webhook[], metrics: readonly ExtraMetric[]): Gate {
    const asking = hooks.map((hook) => this.#checks.get(keyOf(hook))).find((check) => check?.isPassed === true);
    if (asking !== undefined) return { isOpen: true, message: `${asking.message} to a rollback` };
    const breached = metrics
      .map(({ name }) => this.#checks.get(`metric ${name}`))
      .find((check) => check !== undefined && check.breaches >= breachesToRollBack);
    if (breached === undefined) return { isOpen: false, message: '' };
    return { isOpen: true, message: `${breached.message}, ${breached.breaches} times in a row` };
  }
}

function keyOf({ type, name }: Webhook): string {
  return `${type} webhook ${name}`;
}

export function payloadOf(
  plan: ReleasePlan,
  phase: Phase,
  metadata: Readonly<Record<string, string>> = {},
): WebhookPayload {
  return { name: plan.name, namespace: plan.namespace, phase, checksum: plan.revision, metadata };
}

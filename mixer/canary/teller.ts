/** Tells the world what was decided: events of the resource, webhooks of the type `event`, the log. Holds nothing up. */
import { createHash } from 'node:crypto';
import type { Clock } from '../../proxy/common/clock.ts';
import type { Logger } from '../../proxy/common/log.ts';
import type { Resource } from '../../crds/resource.ts';
import type { Decision } from './situation.ts';
import { payloadOf } from './gate-runner.ts';
import { PilotError, type PilotApi } from './pilot-client.ts';
import type { ReleasePlan } from './release-plan.ts';
import { callWebhook, type WebhookParts } from './webhook.ts';

export interface TellerParts extends WebhookParts {
  readonly pilot: PilotApi;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What is told of a decision; `at` and `decision` tell it from others of its release. */
export type Told = Pick<Decision, 'decision' | 'message' | 'phase'> & { readonly at: string };

/** Words that are being said; what comes on top is dropped and logged. */
const maxInFlight = 256;

export class Teller {
  readonly #parts: TellerParts;
  #inFlight = 0;

  constructor(parts: TellerParts) {
    this.#parts = parts;
  }

  tell(resource: Resource, plan: ReleasePlan, told: Told): void {
    const { name, namespace } = plan;
    const { decision, message, phase } = told;
    const say = decision === 'rollback' ? 'warn' : 'info';
    this.#parts.logger[say]('canary', { name, namespace, decision, phase, message });
    this.post(resource, told);
    const metadata = { eventType: eventType(told), eventReason: decision, eventMessage: message, timestamp: told.at };
    // As in Flagger, what follows a release follows its failure too; nobody waits for it then.
    const isOver = decision === 'rollback';
    for (const hook of plan.webhooks.filter(({ type }) => type === 'event' || (isOver && type === 'post-rollout'))) {
      this.#aside(`webhook ${hook.name}`, async () => {
        const answer = await callWebhook(hook, payloadOf(plan, phase, metadata), this.#parts);
        if (!answer.isPassed) throw new Error(answer.message);
      });
    }
  }

  /** The event alone. Its name follows from what it says: saying it twice, after a crash, leaves one event. */
  post(resource: Resource, told: Told): void {
    const event = eventOf(resource, told);
    this.#aside('event', async () => {
      try {
        await this.#parts.pilot.postEvent(resource.metadata.namespace, event);
      } catch (error) {
        if (!(error instanceof PilotError && error.status === 409)) throw error;
      }
    });
  }

  #aside(what: string, work: () => Promise<void>): void {
    if (this.#inFlight >= maxInFlight) return this.#parts.logger.warn('not told: too much is being told', { what });
    this.#inFlight += 1;
    void work()
      .catch((error: unknown) => this.#parts.logger.warn('could not be told', { what, error: String(error) }))
      .finally(() => {
        this.#inFlight -= 1;
      });
  }
}

function eventType({ decision }: Told): 'Normal' | 'Warning' {
  return decision === 'rollback' || decision === 'pause' ? 'Warning' : 'Normal';
}

/** Kubernetes' reasons are words in camel case. */
const reasons: Readonly<Record<Decision['decision'], string>> = {
  initialize: 'Initialized',
  wait: 'Waiting',
  advance: 'Advanced',
  promote: 'Promoted',
  succeed: 'Succeeded',
  rollback: 'RolledBack',
  pause: 'Paused',
  resume: 'Resumed',
  hold: 'Held',
};

function eventOf({ apiVersion, kind, metadata }: Resource, told: Told): object {
  const { name, namespace, uid, resourceVersion } = metadata;
  const digest = createHash('sha256')
    .update(`${uid} ${told.at} ${told.decision} ${told.message}`)
    .digest('hex')
    .slice(0, 16);
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${name}.${digest}`, namespace },
    involvedObject: { apiVersion, kind, name, namespace, uid, resourceVersion },
    reason: reasons[told.decision],
    message: told.message,
    type: eventType(told),
    source: { component: 'heddle-mixer' },
    reportingComponent: 'heddle-mixer',
    firstTimestamp: told.at,
    lastTimestamp: told.at,
    count: 1,
  };
}

/**
 * One release, driven: each look collects what came since the last one, asks `decide` and writes what it says. The status
 * is the memory: after a refused or lost write it is read again before anything else is decided, so that no step is
 * taken twice, and whoever takes over goes on where it says.
 */
import type { Clock } from '../../proxy/common/clock.ts';
import type { Logger } from '../../proxy/common/log.ts';
import type { CanaryStatus } from '../../crds/canary.ts';
import type { Resource } from '../../crds/resource.ts';
import type { CanaryMetrics } from './canary-metrics.ts';
import { decide } from './decide.ts';
import { isFinal, isJudged, type Decision, type Situation } from './situation.ts';
import { advanceEvidence, EvidenceCollector } from './evidence.ts';
import { GateRunner } from './gate-runner.ts';
import { judge, type Verdict } from './judge/verdict.ts';
import { LeaseWatch } from './lease.ts';
import { PilotError, type PilotApi } from './pilot-client.ts';
import { planRelease, type CanaryResource, type ReleasePlan } from './release-plan.ts';
import { nextStatus, readEvidence, readPosition, type Evidence, type Position } from './release-status.ts';
import type { Teller } from './teller.ts';
import type { ObservedVersion, TrafficObserver } from './traffic-observer.ts';
import type { WebhookParts } from './webhook.ts';

export interface ReleaseParts extends WebhookParts {
  readonly pilot: PilotApi;
  readonly observer: TrafficObserver;
  /** Latencies of a version before the release. */
  readonly history: (version: ObservedVersion) => readonly number[];
  /** All of the mesh; another array when one of them changed. */
  readonly destinationRules: () => readonly Resource[];
  readonly metrics: CanaryMetrics;
  readonly teller: Teller;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Unlike that of every other driver, earlier ones of this machine included. */
  readonly holder: string;
}

/** While this driver holds the lease. */
interface Drive {
  evidence: Evidence;
  readonly collector: EvidenceCollector;
  readonly gates: GateRunner;
  /** Of the status that it continues: another one in the store was written by somebody else. */
  fingerprint: string;
  writtenMs: number;
  /** When a request to one of the versions was last heard of. */
  heardMs: number;
}

/**
 * Of several mixers each hears of some sidecars only. One that hears of no request for this long lets another try, for so
 * long, and counts on meanwhile: when nobody takes its place it goes on.
 */
const deafAfterMs = 30_000;
const standAsideMs = 3_000;

/** Evidence is written this often while a release is judged: what a crash may lose. */
const writeEvidenceMs = 2000;

export class Release {
  readonly #parts: ReleaseParts;
  readonly #lease: LeaseWatch;
  #resource: CanaryResource;
  #drive: Drive | undefined;
  #planned:
    | { readonly plan: ReleasePlan; readonly generation: number; readonly rules: readonly Resource[] }
    | undefined;
  #isLooking = false;
  #isClosed = false;
  /** The outcome of a write is not known, or it was refused. */
  #mustRead = false;
  #asideUntilMs = 0;

  constructor(resource: CanaryResource, parts: ReleaseParts) {
    this.#resource = resource;
    this.#parts = parts;
    this.#lease = new LeaseWatch(parts.holder, parts.clock);
  }

  /** What the watch of pilot says; older versions than what is known are no news. */
  update(resource: CanaryResource): void {
    const isNewer = versionOf(resource) > versionOf(this.#resource);
    if (isNewer || resource.metadata.uid !== this.#resource.metadata.uid) this.#accept(resource);
  }

  /** Never rejects; a look that finds the last one unfinished does nothing. */
  async look(): Promise<void> {
    if (this.#isLooking || this.#isClosed) return;
    this.#isLooking = true;
    try {
      await this.#look();
    } catch (error) {
      this.#parts.logger.error('look failed', { name: this.#resource.metadata.name, error: String(error) });
      this.#mustRead = true;
    } finally {
      this.#isLooking = false;
    }
  }

  /** Lets go of the release without a word; `giveUp`: tells others that they may take over. */
  async close(giveUp = false): Promise<void> {
    this.#isClosed = true;
    const drive = this.#drive;
    if (giveUp && drive !== undefined && !this.#mustRead) await this.#giveUp(drive);
    this.#stop();
    this.#parts.metrics.forget(this.#resource.metadata);
  }

  async #look(): Promise<void> {
    const position = readPosition(statusOf(this.#resource));
    if (this.#drive !== undefined) this.#collect(this.#drive, this.#plan(), position);
    if (this.#mustRead && !(await this.#read())) return;
    await this.#lookAt(this.#plan());
  }

  /** Made anew when the spec or a rule changed. */
  #plan(): ReleasePlan {
    const { generation } = this.#resource.metadata;
    const rules = this.#parts.destinationRules();
    const planned = this.#planned;
    if (planned?.generation === generation && planned.rules === rules) return planned.plan;
    const plan = planRelease(this.#resource, rules);
    this.#planned = { plan, generation, rules };
    return plan;
  }

  async #lookAt(plan: ReleasePlan): Promise<void> {
    const status = statusOf(this.#resource);
    const position = readPosition(status);
    this.#parts.metrics.observe({
      ...plan,
      phase: position.phase,
      weight: position.routing.weight,
      verdict: undefined,
    });
    const isDecided = isFinal(position.phase) && position.revision === plan.revision && position.request === undefined;
    if (isDecided || this.#lease.isHeldByOther(status.lease)) return this.#stop();
    if (!this.#lease.isOwn(status.lease)) return this.#takeLease(plan, position);
    const drive = this.#drive ?? this.#takeOver(status);
    drive.gates.poll({ plan, phase: position.phase, step: position.step });
    const situation = this.#situation(drive, plan, position);
    const { verdict } = situation;
    this.#parts.metrics.observe({ ...plan, phase: position.phase, weight: position.routing.weight, verdict });
    const decision = decide(situation);
    if (decision === undefined && this.#isDeaf(drive, position)) return this.#standAside(drive);
    if (decision !== undefined || this.#isWriteDue(drive, position)) await this.#write(situation, decision, drive);
  }

  /** Nothing is decided before the lease is held. Who stood aside goes on with what was counted meanwhile. */
  async #takeLease(plan: ReleasePlan, position: Position): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs();
    if (this.#drive !== undefined && nowMs < this.#asideUntilMs) return;
    const evidence = this.#drive?.evidence ?? readEvidence(statusOf(this.#resource));
    if (this.#drive !== undefined) this.#drive.heardMs = nowMs;
    const lease = this.#lease.renewed(isJudged(position.phase));
    const kept = this.#drive === undefined ? {} : { analysis: evidence };
    if (await this.#put({ ...statusOf(this.#resource), lease, ...kept }))
      this.#parts.logger.debug('lease taken', { name: plan.name, requests: evidence.canary.requests });
  }

  #takeOver(status: CanaryStatus): Drive {
    const { observer, clock, metrics, teller } = this.#parts;
    const drive = {
      evidence: readEvidence(status),
      collector: new EvidenceCollector({ observer, clock }),
      gates: new GateRunner(this.#parts),
      fingerprint: fingerprintOf(status),
      writtenMs: clock.monotonicMs(),
      heardMs: clock.monotonicMs(),
    };
    this.#drive = drive;
    metrics.setDriven(this.#resource.metadata, true);
    // Its last driver may have died between the decision and the word about it.
    const last = status.decisions?.at(-1);
    if (last !== undefined) teller.post(this.#resource, { ...last, phase: readPosition(status).phase });
    return drive;
  }

  #collect(drive: Drive, plan: ReleasePlan, position: Position): void {
    const before = drive.evidence;
    drive.evidence = drive.collector.collect(before, plan, position);
    if (requestsOf(drive.evidence) > requestsOf(before)) drive.heardMs = this.#parts.clock.monotonicMs();
  }

  #isDeaf({ heardMs }: Drive, { phase, pause }: Position): boolean {
    const isAwaitingRequests = phase === 'Progressing' && pause === undefined;
    return isAwaitingRequests && this.#parts.clock.monotonicMs() - heardMs >= deafAfterMs;
  }

  async #standAside(drive: Drive): Promise<void> {
    this.#parts.logger.debug('no request heard of: another mixer may', { name: this.#resource.metadata.name });
    this.#asideUntilMs = this.#parts.clock.monotonicMs() + standAsideMs;
    await this.#giveUp(drive);
  }

  #situation({ evidence, gates }: Drive, plan: ReleasePlan, position: Position): Situation {
    const { phase, step } = position;
    const next = phase === 'Progressing' && step + 1 < plan.steps.length ? 'step' : 'promotion';
    const verdict: Verdict | undefined =
      evidence.judge !== undefined && isJudged(phase) ? judge(evidence.judge, next) : undefined;
    const { elapsedMs, stepElapsedMs } = evidence;
    const place = { plan, phase, step };
    return {
      ...position,
      plan,
      verdict,
      stepCounts: evidence.step,
      elapsedMs,
      stepElapsedMs,
      gates: gates.gates(place),
    };
  }

  #isWriteDue({ writtenMs }: Drive, { phase }: Position): boolean {
    const dueMs = isJudged(phase) ? writeEvidenceMs : this.#lease.renewAfterMs(false);
    return this.#parts.clock.monotonicMs() - writtenMs >= dueMs;
  }

  async #write(situation: Situation, decision: Decision | undefined, drive: Drive): Promise<void> {
    const { clock, metrics, teller } = this.#parts;
    const nowMs = clock.nowMs();
    const { plan } = situation;
    const history = this.#parts.history;
    const evidence =
      decision === undefined ? drive.evidence : advanceEvidence(drive.evidence, { situation, decision, history });
    const phase = decision?.phase ?? situation.phase;
    const lease = isFinal(phase) ? undefined : this.#lease.renewed(isJudged(phase));
    const told = { evidence: drive.evidence, kept: evidence };
    const status = nextStatus(statusOf(this.#resource), { situation, ...told, decision, lease, nowMs });
    if (!(await this.#put(status)) || decision === undefined) return;
    metrics.decided(plan, decision.decision);
    teller.tell(this.#resource, plan, { ...decision, at: new Date(nowMs).toISOString() });
  }

  /** Whether the status stands in the store as written. What it says is then the truth, for the drive as well. */
  async #put(status: CanaryStatus): Promise<boolean> {
    const { pilot, metrics, logger, clock } = this.#parts;
    try {
      const written = (await pilot.putStatus({ ...this.#resource, status })) as CanaryResource;
      metrics.wrote('written');
      if (this.#drive !== undefined) {
        this.#drive.evidence = readEvidence(statusOf(written));
        this.#drive.fingerprint = fingerprintOf(statusOf(written));
        this.#drive.writtenMs = clock.monotonicMs();
      }
      this.#accept(written);
      return true;
    } catch (error) {
      const isConflict = error instanceof PilotError && error.status === 409;
      metrics.wrote(isConflict ? 'conflict' : 'failed');
      logger.debug('status not written', { name: this.#resource.metadata.name, error: String(error) });
      this.#mustRead = true;
      return false;
    }
  }

  async #read(): Promise<boolean> {
    const { kind, metadata } = this.#resource;
    try {
      const resource = await this.#parts.pilot.get(kind, metadata.namespace, metadata.name);
      this.#mustRead = false;
      this.#accept(resource as CanaryResource);
      return true;
    } catch (error) {
      this.#parts.logger.debug('status not read', { name: metadata.name, error: String(error) });
      return false;
    }
  }

  /** Evidence in memory goes on only from the status that it was written into. */
  #accept(resource: CanaryResource): void {
    const isSame = resource.metadata.uid === this.#resource.metadata.uid;
    if (isSame && versionOf(resource) < versionOf(this.#resource)) return;
    if (!isSame) this.#planned = undefined;
    this.#resource = resource;
    if (this.#drive !== undefined && fingerprintOf(statusOf(resource)) !== this.#drive.fingerprint) this.#stop();
  }

  async #giveUp({ evidence }: Drive): Promise<void> {
    const { lease, ...status } = statusOf(this.#resource);
    if (!this.#lease.isOwn(lease)) return;
    await this.#put({ ...status, analysis: evidence });
  }

  #stop(): void {
    if (this.#drive === undefined) return;
    this.#drive.collector.close();
    this.#drive = undefined;
    this.#parts.metrics.setDriven(this.#resource.metadata, false);
  }
}

function requestsOf({ primary, canary }: Evidence): number {
  return primary.requests + canary.requests;
}

function statusOf({ status }: CanaryResource): CanaryStatus {
  return status ?? {};
}

/** Decimal and growing in our stores; opaque in others, where the watch alone is believed. */
function versionOf({ metadata }: CanaryResource): number {
  const version = Number(metadata.resourceVersion);
  return Number.isNaN(version) ? 0 : version;
}

/** What only a driver writes. */
function fingerprintOf({ revision, phase, step, analysis, lease }: CanaryStatus): string {
  return JSON.stringify([revision, phase, step, analysis, lease?.holder]);
}

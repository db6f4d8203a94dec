/** Follows one release until it is decided; the exit code says how. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Writable } from 'node:stream';
import { planRelease } from '../../../mixer/canary/release-plan.ts';
import type { CommandContext } from '../context.ts';
import { CommandError, exitCodes } from '../exit-code.ts';
import { isCurrent, pauseOf, statusOf, type CanaryApi, type CanaryName, type CanaryResource } from './canary-api.ts';
import { describeLine, describeLive } from './canary-text.ts';
import type { Rates } from './remaining-time.ts';

export interface FollowOptions {
  /** Ends as soon as the release needs a person. */
  readonly wait?: boolean;
  /** Milliseconds. */
  readonly timeout?: number;
}

const pollMs = 1000;
/** Pilot may be restarted meanwhile: a release is longer than that. */
const maxFailures = 30;
/** Where nobody watches live, what changes by numbers alone is said this often. */
const linePauseMs = 10_000;

export async function follow(
  api: CanaryApi,
  place: CanaryName,
  options: FollowOptions,
  context: CommandContext,
): Promise<void> {
  const view = new ReleaseView(context.stdout);
  const endMs = performance.now() + (options.timeout ?? Number.POSITIVE_INFINITY);
  for (let failures = 0; ;) {
    const canary = await read(api, place, failures >= maxFailures);
    failures = canary === undefined ? failures + 1 : 0;
    const outcome = canary === undefined ? undefined : outcomeOf(canary, options);
    if (canary !== undefined) view.show(canary, outcome !== undefined);
    if (outcome !== undefined) {
      context.exitCode = outcome;
      return;
    }
    if (performance.now() >= endMs) {
      context.stderr.write(`heddle: canary ${place.namespace}/${place.name} is not decided yet\n`);
      context.exitCode = exitCodes.undecided;
      return;
    }
    await sleep(Math.min(pollMs, Math.max(0, endMs - performance.now())));
  }
}

/** Undefined when pilot does not answer; what it answers against us is final. */
async function read(api: CanaryApi, place: CanaryName, isLast: boolean): Promise<CanaryResource | undefined> {
  try {
    return await api.get(place);
  } catch (error) {
    if (!isLast && error instanceof CommandError && error.exitCode === exitCodes.unreachable) return undefined;
    throw error;
  }
}

/** The exit code of a release that is over, or that waits for a person; undefined while it goes on. */
export function outcomeOf(canary: CanaryResource, { wait = false }: FollowOptions): number | undefined {
  const status = statusOf(canary);
  if (!isCurrent(canary) || status.request !== undefined) return undefined;
  if (status.phase === 'Succeeded') return exitCodes.ok;
  if (status.phase === 'Failed') return exitCodes.failed;
  const { manualGates } = planRelease(canary, []);
  const isAtGate =
    (status.phase === 'Waiting' && manualGates.rollout) ||
    (status.phase === 'WaitingPromotion' && manualGates.promotion);
  return wait && (isAtGate || pauseOf(status) !== undefined) ? exitCodes.undecided : undefined;
}

/** Draws over itself on a terminal; elsewhere a line when something happened. */
class ReleaseView {
  readonly #output: Writable;
  readonly #isTerminal: boolean;
  #drawnLines = 0;
  #said = '';
  #saidMs = Number.NEGATIVE_INFINITY;
  #previous: { readonly canary: CanaryResource; readonly atMs: number } | undefined;

  constructor(output: Writable) {
    this.#output = output;
    this.#isTerminal = 'isTTY' in output && output.isTTY === true;
  }

  show(canary: CanaryResource, isLast: boolean): void {
    if (this.#isTerminal) this.#draw(canary);
    else this.#say(canary, isLast);
  }

  #draw(canary: CanaryResource): void {
    const columns = 'columns' in this.#output && typeof this.#output.columns === 'number' ? this.#output.columns : 120;
    const lines = describeLive(canary, this.#rates(canary)).map((line) => line.slice(0, columns - 1));
    const up = this.#drawnLines === 0 ? '' : `\u001b[${this.#drawnLines}A\u001b[J`;
    this.#output.write(`${up}${lines.join('\n')}\n`);
    this.#drawnLines = lines.length;
  }

  #say(canary: CanaryResource, isLast: boolean): void {
    const { phase, step, decisions = [] } = statusOf(canary);
    const key = JSON.stringify([phase, step, decisions.at(-1), pauseOf(statusOf(canary))]);
    const isNews = key !== this.#said || performance.now() - this.#saidMs >= linePauseMs;
    if (!isNews && !isLast) return;
    this.#said = key;
    this.#saidMs = performance.now();
    this.#output.write(`${new Date().toISOString().slice(11, 19)} ${describeLine(canary)}\n`);
  }

  /** Between the last two views of which the counts differ in time. */
  #rates(canary: CanaryResource): Rates | undefined {
    const now = { canary, atMs: performance.now() };
    const before = this.#previous;
    if (before === undefined || now.atMs - before.atMs >= 5000) this.#previous = now;
    if (before === undefined) return undefined;
    const seconds = (now.atMs - before.atMs) / 1000;
    const [a, b] = [statusOf(before.canary).counts, statusOf(canary).counts];
    if (a === undefined || b === undefined || seconds <= 0) return undefined;
    const rate = (from: number, to: number): number => Math.max(0, to - from) / seconds;
    return {
      primary: rate(a.primary.requests, b.primary.requests),
      canary: rate(a.canary.requests, b.canary.requests),
    };
  }
}

/**
 * One global limit and who spends from it. The pool is a token bucket: `burst` tokens at most, `requests` of them come
 * back per interval, evenly. A spender is given a slice of whole tokens and reports what it spent when it asks for the
 * next one. No token is in two slices, so requests that pass are at most
 *
 *   burst + requests × time / interval + what was spent between a report and the slice that answers it.
 *
 * The last part is at most one slice of each spender; it is charged to the pool by the next report, so that it does not
 * add up: the pool goes into debt and gives out nothing until the time has paid it back.
 *
 * Slices are max-min fair by demand: who wants less than an equal part gets what it wants, and what all want together
 * does not exhaust is spread evenly, so that an idle spender can begin without asking.
 */
import type { RateLimitNumbers } from '../../proxy/api/quota-limit.ts';
import { waterLevel } from './water-level.ts';

/** How long the demand is that a slice is made for: two reporting intervals of the sidecars. */
const horizonMs = 400;
/** How long the division among spenders is used before it is made anew. */
const divisionMs = 50;

export class Spender {
  /** Tokens of the slice that were not reported as spent. */
  slice = 0;
  /** Requests per millisecond, passed and refused. */
  demandPerMs = 0;
  /** Monotonic. */
  reportedMs = 0;
  /** The part of a token that it was owed and did not get; what is less than one token is given in turn. */
  credit = 0;
  /** When its slice comes back to the pool unless it reports; monotonic. */
  expiresMs = 0;
  /** Of its last slice in the order of all; 0 before. */
  servedTurn = 0;
  /** It will not report again. */
  isGone = false;
}

interface Division {
  /** No demand gets more than this. */
  readonly levelTokens: number;
  /** What each spender gets besides. */
  readonly surplusTokens: number;
  /** Where there is less than a token for each, who gets one. */
  readonly inTurn: ReadonlySet<Spender>;
}

const nobody: ReadonlySet<Spender> = new Set();

export class LimitPool {
  readonly numbers: RateLimitNumbers;
  readonly #spenders = new Set<Spender>();
  /** Tokens that are not spent, those in slices too; below 0 in debt. */
  #tokens: number;
  #sliced = 0;
  #filledMs: number;
  #division: Division = { levelTokens: 0, surplusTokens: 0, inTurn: nobody };
  #lastTurn = 0;
  #isFilledByClock = true;
  /** Who hand out tokens of the limit. */
  #mixers = 1;
  #dividedMs = Number.NEGATIVE_INFINITY;

  /** Full, or empty where the tokens are in a store. `nowMs`: monotonic, here and below. */
  constructor(numbers: RateLimitNumbers, nowMs: number, { isShared = false } = {}) {
    this.numbers = numbers;
    this.#isFilledByClock = !isShared;
    this.#tokens = isShared ? 0 : numbers.burst;
    this.#filledMs = nowMs;
  }

  get spenderCount(): number {
    return this.#spenders.size;
  }

  get tokens(): number {
    return this.#tokens;
  }

  /** Tokens per millisecond. */
  get ratePerMs(): number {
    return this.numbers.requests / this.numbers.intervalMs;
  }

  join(): Spender {
    const spender = new Spender();
    this.#spenders.add(spender);
    this.#dividedMs = Number.NEGATIVE_INFINITY;
    return spender;
  }

  /** Its slice stays with it until the time of it is over: it may be alive and only cut off. */
  leave(spender: Spender): void {
    spender.isGone = true;
  }

  /** What a spender did since its last report. A debt is never more than a burst: nobody can close a limit for good. */
  report(spender: Spender, { allowedCount, deniedCount, elapsedMs }: SpenderReport, nowMs: number): void {
    this.#refill(nowMs);
    const { burst } = this.numbers;
    this.#tokens = Math.max(-burst, this.#tokens - allowedCount);
    this.#setSlice(spender, Math.max(0, spender.slice - allowedCount));
    spender.reportedMs = nowMs;
    const demand = (allowedCount + deniedCount) / Math.max(1, elapsedMs);
    // Falls slowly: who pauses for a moment need not begin from nothing.
    spender.demandPerMs = Math.max(demand, spender.demandPerMs / 2);
    if (spender.demandPerMs * horizonMs < 0.5) spender.demandPerMs = 0;
  }

  /** The next slice, which takes the place of what is left of the last one. */
  grant(spender: Spender, nowMs: number, ttlMs: number): number {
    this.#refill(nowMs);
    this.#divide(nowMs);
    const { levelTokens, surplusTokens, inTurn } = this.#division;
    const isScarce = inTurn.size > 0;
    const wanted = isScarce
      ? Number(inTurn.has(spender))
      : Math.min(spender.demandPerMs * horizonMs, levelTokens) + surplusTokens + spender.credit;
    const free = Math.floor(this.#tokens - this.#sliced + spender.slice);
    const slice = Math.max(0, Math.min(Math.floor(wanted + 1e-9), free));
    spender.credit = Math.min(1, Math.max(0, wanted - slice));
    if (slice > 0) spender.servedTurn = this.#lastTurn += 1;
    spender.expiresMs = nowMs + ttlMs;
    this.#setSlice(spender, slice);
    return slice;
  }

  /** Tokens per millisecond that are a spender's fair part, for as long as nobody can be asked. */
  fairRatePerMs(spender: Spender): number {
    let total = 0;
    for (const { demandPerMs } of this.#spenders) total += demandPerMs;
    if (total === 0) return this.ratePerMs / Math.max(1, this.#spenders.size);
    return (this.ratePerMs * spender.demandPerMs) / total;
  }

  /** Forgets who is gone and takes the slices back whose time is over. */
  sweep(nowMs: number): void {
    for (const spender of this.#spenders) {
      if (nowMs < spender.expiresMs) continue;
      this.#setSlice(spender, 0);
      spender.demandPerMs = 0;
      if (spender.isGone) this.#spenders.delete(spender);
    }
  }

  /** Whole tokens that are in no slice; below 0 in debt. */
  get unslicedTokens(): number {
    return Math.floor(this.#tokens - this.#sliced);
  }

  /** What its spenders want besides their slices. */
  get wantedTokens(): number {
    let wanted = 0;
    for (const { demandPerMs, isGone } of this.#spenders) if (!isGone) wanted += demandPerMs * horizonMs;
    return Math.ceil(Math.max(0, wanted - this.#sliced));
  }

  get isFilledByClock(): boolean {
    return this.#isFilledByClock;
  }

  /** Adds tokens that a store gave, or takes what it got back. */
  move(tokens: number): void {
    this.#tokens = Math.min(this.numbers.burst, this.#tokens + tokens);
    this.#dividedMs = Number.NEGATIVE_INFINITY;
  }

  /** Where the tokens come from: of a store that is gone, an equal part of them comes by the clock. */
  fillBy(source: { readonly kind: 'clock' } | { readonly kind: 'store'; readonly mixers: number }): void {
    this.#isFilledByClock = source.kind === 'clock';
    if (source.kind === 'store') this.#mixers = source.mixers;
  }

  #refill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#filledMs);
    this.#filledMs = nowMs;
    if (!this.#isFilledByClock) return;
    this.#tokens = Math.min(this.numbers.burst, this.#tokens + (elapsedMs * this.ratePerMs) / this.#mixers);
  }

  #setSlice(spender: Spender, slice: number): void {
    this.#sliced += slice - spender.slice;
    spender.slice = slice;
  }

  #divide(nowMs: number): void {
    if (nowMs - this.#dividedMs < divisionMs) return;
    this.#dividedMs = nowMs;
    this.sweep(nowMs);
    const living = [...this.#spenders].filter(({ isGone }) => !isGone);
    let available = this.#tokens;
    for (const { isGone, slice, demandPerMs, reportedMs } of this.#spenders) {
      // By now it has spent what it wanted, though it did not say so yet: who reports first gets no more for that.
      available -= isGone ? slice : Math.min(slice, demandPerMs * Math.max(0, nowMs - reportedMs));
    }
    available = Math.max(0, available);
    const wants = living.map(({ demandPerMs }) => demandPerMs * horizonMs);
    const levelTokens = waterLevel(wants, available);
    const taken = wants.reduce((sum, want) => sum + Math.min(want, levelTokens), 0);
    const surplusTokens = (available - taken) / Math.max(1, living.length);
    const isScarce = levelTokens + surplusTokens < 1 && available >= 1;
    const inTurn = isScarce ? new Set(living.sort(byTurn).slice(0, Math.floor(available))) : nobody;
    this.#division = { levelTokens, surplusTokens, inTurn };
  }
}

/** Who wants something before who does not, then who waited longest. */
function byTurn(a: Spender, b: Spender): number {
  return Number(b.demandPerMs > 0) - Number(a.demandPerMs > 0) || a.servedTurn - b.servedTurn;
}

export interface SpenderReport {
  readonly allowedCount: number;
  readonly deniedCount: number;
  readonly elapsedMs: number;
}

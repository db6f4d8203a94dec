/**
 * Kayenta's judge, as its documentation describes it: each metric of the canary and of the primary is a series of points;
 * a Mann-Whitney test (normal approximation, continuity correction, ties) gives a confidence interval of the shift, and
 * the metric is High, which fails the canary, when the lower end is above a quarter of the estimated shift. It is asked
 * again and again while the series grow, which the confidence level knows nothing of. Here: error rates of ten seconds
 * each, confidence 98 %, asked each minute from the third on; the tenth pass promotes.
 * Source: github.com/spinnaker/kayenta docs/canary-config.md and docs/faq.md.
 */
import type { Look } from '../../mixer/canary/judge/counts.ts';
import type { End, Releaser } from './releaser.ts';

const pointSeconds = 10;
const judgedEverySeconds = 60;
const firstJudgedSecond = 180;
const passesToPromote = 10;
/** Of a two-sided interval of 98 %. */
const normalQuantile = 2.326;
const tolerance = 0.25;

export class Kayenta implements Releaser {
  readonly #steps: readonly number[];
  readonly #canary: number[] = [];
  readonly #primary: number[] = [];
  readonly #sums = { canary: { requests: 0, errors: 0 }, primary: { requests: 0, errors: 0 } };
  #second = 0;
  #passes = 0;

  constructor(steps: readonly number[]) {
    this.#steps = steps;
  }

  /** Its pipelines raise the weight from one judgement to the next. */
  get weight(): number {
    return this.#steps[Math.min(this.#passes, this.#steps.length - 1)] ?? 0;
  }

  look({ canary, primary }: Look): End | undefined {
    addTo(this.#sums.canary, canary);
    addTo(this.#sums.primary, primary);
    this.#second++;
    if (this.#second % pointSeconds === 0) {
      closePoint(this.#canary, this.#sums.canary);
      closePoint(this.#primary, this.#sums.primary);
    }
    if (this.#second < firstJudgedSecond || this.#second % judgedEverySeconds !== 0) return undefined;
    if (isHigh(this.#canary, this.#primary)) return 'rollback';
    this.#passes++;
    return this.#passes >= passesToPromote ? 'promote' : undefined;
  }
}

interface Sums {
  requests: number;
  errors: number;
}

function addTo(sums: Sums, { requests, errors }: Sums): void {
  sums.requests += requests;
  sums.errors += errors;
}

/** Without requests there is no point. */
function closePoint(points: number[], sums: Sums): void {
  if (sums.requests > 0) points.push(sums.errors / sums.requests);
  sums.requests = 0;
  sums.errors = 0;
}

/** The shifts of all pairs, in order, hold both the Hodges-Lehmann estimate and the ends of the interval. */
export function isHigh(canary: readonly number[], primary: readonly number[]): boolean {
  if (canary.length === 0 || primary.length === 0) return false;
  const shifts = new Float64Array(canary.length * primary.length);
  let next = 0;
  for (const a of canary) for (const b of primary) shifts[next++] = a - b;
  shifts.sort();
  const deviation = rankDeviation([...canary, ...primary], canary.length, primary.length);
  if (deviation === 0) return false;
  const rank = Math.floor(shifts.length / 2 - normalQuantile * deviation - 0.5);
  const lower = rank < 0 ? -Infinity : (shifts[rank] ?? 0);
  const middle = ((shifts[(shifts.length - 1) >> 1] ?? 0) + (shifts[shifts.length >> 1] ?? 0)) / 2;
  return lower > tolerance * Math.abs(middle);
}

function rankDeviation(values: number[], m: number, n: number): number {
  values.sort((a, b) => a - b);
  let ties = 0;
  for (let start = 0; start < values.length;) {
    let end = start;
    while (end < values.length && values[end] === values[start]) end++;
    ties += (end - start) ** 3 - (end - start);
    start = end;
  }
  const total = m + n;
  return Math.sqrt(((m * n) / 12) * (total + 1 - ties / (total * (total - 1))));
}

/** The series `canary`: simulated releases, no sockets, no peers' programs: their rules on the same traces. */
import { writeFileSync } from 'node:fs';
import { formatTable } from '../text-table.ts';
import { formatSeconds, formatShare, mean, percent, upperShare } from './bound.ts';
import { bestBets, powerOfOneTest } from './ceiling.ts';
import { type BurstRow, measureBursts } from './bursts.ts';
import {
  anyScenario,
  countEndlessRollbacks,
  type Coverage,
  holding,
  measureCoverage,
  measureDecisions,
  releasing,
  type Run,
  runReleases,
} from './experiments.ts';
import { steady } from './traffic.ts';

export interface CanaryOptions {
  /** Simulated releases of S1 and S2; the other tables take a tenth or a twentieth of them. */
  readonly releases: number;
  readonly json: string | undefined;
}

export interface CanaryReport {
  readonly releases: number;
  /** S1: canaries that are no worse. */
  readonly same: readonly Run[];
  readonly endless: { readonly releases: number; readonly rollbacks: number };
  /** S2: ten times the errors, from the start and after ten minutes. */
  readonly worse: readonly Run[];
  readonly worseLater: readonly Run[];
  /** What could be rolled back within 30 s at most: by bets, and by one test of independent errors. */
  readonly ceiling: { readonly bets: number; readonly oneTest: number };
  /** The same errors where there are few requests, in whole releases. */
  readonly quiet: readonly Run[];
  /** S3: a canary that may not be promoted, and the confidence sequence. */
  readonly forbidden: readonly Run[];
  readonly coverage: readonly Coverage[];
  readonly bursts: readonly BurstRow[];
  readonly decisionsPerSecond: number;
}

const riseSecond = 600;
const coveredRatios = [0.5, 1, 1.5, 4];

export function runCanary({ releases, json }: CanaryOptions): void {
  const report = simulate(releases, (what) => console.error(what));
  console.log(formatCanary(report));
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, undefined, 2)}\n`);
}

/** `tell` hears of each table when it is done: all of them take a while. */
export function simulate(releases: number, tell: (what: string) => void): CanaryReport {
  const done = <T>(part: T, format: (part: T) => string): T => {
    tell(format(part));
    return part;
  };
  const tenth = Math.ceil(releases / 10);
  const rise = { ...steady, ratioAt: () => 10 };
  const later = { ...steady, ratioAt: (second: number) => (second < riseSecond ? 1 : 10) };
  const quiet = { ...steady, rate: 1, errorRate: 0.002, ratioAt: () => 10 };
  const tooMany = { ...steady, errorRate: 0.03, ratioAt: () => 1.55 };
  const ours = holding.slice(0, 1);
  return {
    releases,
    ceiling: { bets: bestBets(0.01), oneTest: powerOfOneTest(0.01) },
    decisionsPerSecond: measureDecisions(Math.min(1000, releases), 30),
    worse: done(
      runReleases(holding, () => rise, { releases, seconds: 1200 }),
      formatWorse,
    ),
    // The rules of the others would have promoted by then.
    worseLater: done(
      runReleases(ours, () => later, { releases: tenth, seconds: 1800 }),
      formatLater,
    ),
    quiet: done(
      runReleases(releasing, () => quiet, { releases: tenth, seconds: 7200 }),
      formatQuiet,
    ),
    forbidden: done(
      runReleases(releasing, () => tooMany, { releases: tenth, seconds: 1800 }),
      formatForbidden,
    ),
    coverage: done(
      coveredRatios.map((ratio) => measureCoverage(ratio, tenth)),
      formatCoverage,
    ),
    bursts: done(measureBursts([1, 3, 10], Math.ceil(releases / 20)), formatBursts),
    endless: done({ releases: tenth, rollbacks: countEndlessRollbacks(tenth) }, formatEndless),
    same: done(runReleases(releasing, anyScenario, { releases, seconds: 1800 }), formatSame),
  };
}

export function formatCanary(report: CanaryReport): string {
  return [
    formatSame(report.same),
    formatEndless(report.endless),
    '',
    formatWorse(report.worse),
    `At most, within 30 s: ${percent(report.ceiling.bets)} by bets that hold for bursts, ${percent(report.ceiling.oneTest)} by one test of independent errors`,
    formatLater(report.worseLater),
    '',
    formatQuiet(report.quiet),
    '',
    formatForbidden(report.forbidden),
    formatCoverage(report.coverage),
    '',
    formatBursts(report.bursts),
    '',
    `${Math.round(report.decisionsPerSecond).toLocaleString('en-US')} looks taken and judged per second of one core`,
    'Flagger: its loop with interval 1 m, threshold 10, step 5 %, max 50 %, success >= 99 %. Kayenta: Mann-Whitney, 98 %,',
    'tolerance 0.25, points of 10 s, asked each minute from the third. Their rules, not their programs. Looks of Heddle: 1 s.',
  ].join('\n');
}

function formatSame(runs: readonly Run[]): string {
  return [
    `S1: ${runs[0]?.outcomes.length} whole releases of a canary that is no worse; 1 to 200 requests/s, 0.01 % to 3 % errors, days, bursts, outages`,
    formatTable([
      ['', 'rolled back', 'upper 95 %', 'promoted', 'undecided after 30 min', 'median s to promotion'],
      ...runs.map(sameRow),
    ]),
  ].join('\n');
}

function formatEndless({ releases, rollbacks }: CanaryReport['endless']): string {
  return `An hour of looks without an end, weights changing every 100 s: ${formatShare(rollbacks, releases)} rolled back`;
}

function formatWorse(runs: readonly Run[]): string {
  return [
    `S2: 0.5 % errors become 5 %, 100 requests/s, 10 % to the canary, ${runs[0]?.outcomes.length} times`,
    formatTable([
      ['', 'rolled back', 'within 30 s', 'median s', 'p95 s', 'p99 s', 'bad responses', 'to Flagger'],
      ...runs.map((run) => worseRow(run, runs)),
    ]),
  ].join('\n');
}

function formatQuiet(runs: readonly Run[]): string {
  const title = `0.2 % errors become 2 % at 1 request/s, whole releases, ${runs[0]?.outcomes.length} times`;
  return formatEnds(title, runs, '2 h');
}

function formatForbidden(runs: readonly Run[]): string {
  const title = `S3: 3 % errors become 4.65 % where 4.5 % are allowed, ${runs[0]?.outcomes.length} times`;
  return formatEnds(title, runs, '30 min');
}

function formatEnds(title: string, runs: readonly Run[], horizon: string): string {
  const columns = ['', 'promoted', 'upper 95 %', 'rolled back', `undecided after ${horizon}`];
  return [title, formatTable([columns, ...runs.map(endsRow)])].join('\n');
}

function formatCoverage(coverage: readonly Coverage[]): string {
  return [
    'The true ratio was outside the 99 % confidence sequence, at any look of ten minutes:',
    ...coverage.map(({ ratio, misses, releases }) => `  ratio ${ratio}: ${formatShare(misses, releases)}`),
  ].join('\n');
}

function formatBursts(rows: readonly BurstRow[]): string {
  return [
    'Errors that come together: canaries that are no worse and were rolled back in half an hour, and seconds to roll back S2',
    formatTable([
      ['', 'errors at a time', 'false rollbacks', 'mean s to rollback'],
      ...rows.map(({ name, clusterSize, falseAlarms, secondsToRollback }) => [
        name,
        String(clusterSize),
        percent(falseAlarms),
        secondsToRollback.toFixed(1),
      ]),
    ]),
  ].join('\n');
}

function sameRow({ name, outcomes }: Run): string[] {
  const { rollbacks, promotions } = split({ name, outcomes });
  return [
    name,
    percent(rollbacks.length / outcomes.length),
    percent(upperShare(rollbacks.length, outcomes.length)),
    percent(promotions.length / outcomes.length),
    percent((outcomes.length - rollbacks.length - promotions.length) / outcomes.length),
    formatSeconds(promotions, 0.5),
  ];
}

function worseRow(run: Run, all: readonly Run[]): string[] {
  const { rollbacks } = split(run);
  const bad = meanBad(run);
  const flagger = all.find(({ name }) => name === 'Flagger');
  return [
    run.name,
    percent(rollbacks.length / run.outcomes.length),
    percent(rollbacks.filter((seconds) => seconds <= 30).length / run.outcomes.length),
    formatSeconds(rollbacks, 0.5),
    formatSeconds(rollbacks, 0.95),
    formatSeconds(rollbacks, 0.99),
    bad.toFixed(1),
    flagger === undefined ? '-' : `1/${(meanBad(flagger) / bad).toFixed(1)}`,
  ];
}

function formatLater(runs: readonly Run[]): string {
  const rows = runs
    .map((run) => {
      const delays = split(run).rollbacks.map((seconds) => seconds - riseSecond);
      const early = delays.filter((delay) => delay <= 0).length;
      const late = delays.filter((delay) => delay > 0);
      const within = percent(late.filter((delay) => delay <= 60).length / run.outcomes.length);
      return `${run.name} median ${formatSeconds(late, 0.5)} s, p95 ${formatSeconds(late, 0.95)} s, ${within} within 60 s, ${early} of ${run.outcomes.length} before it`;
    })
    .join('; ');
  return `The rise after ten minutes of no difference: ${rows}`;
}

function endsRow({ name, outcomes }: Run): string[] {
  const { rollbacks, promotions } = split({ name, outcomes });
  return [
    name,
    percent(promotions.length / outcomes.length),
    percent(upperShare(promotions.length, outcomes.length)),
    percent(rollbacks.length / outcomes.length),
    percent((outcomes.length - rollbacks.length - promotions.length) / outcomes.length),
  ];
}

/** Seconds of the releases by their end. */
function split({ outcomes }: Run): { rollbacks: number[]; promotions: number[] } {
  const secondsOf = (wanted: string): number[] =>
    outcomes.filter(({ end }) => end === wanted).map(({ seconds }) => seconds);
  return { rollbacks: secondsOf('rollback'), promotions: secondsOf('promote') };
}

function meanBad({ outcomes }: Run): number {
  return mean(outcomes.map(({ badResponses }) => badResponses));
}

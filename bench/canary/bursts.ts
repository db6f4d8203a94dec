/** Four ways to take errors that come together, on the same traffic: what each costs in false alarms and in time. */
import type { Look } from '../../mixer/canary/judge/counts.ts';
import { addErrorBets, logErrorEValue, startErrorBets } from '../../mixer/canary/judge/error-bets.ts';
import { mean } from './bound.ts';
import { createTraffic, type Scenario, steady } from './traffic.ts';

export interface Evidence {
  readonly name: string;
  /** A new release: takes a look, returns ln E. */
  readonly start: () => (look: Look) => number;
}

const shareBets: Evidence = {
  name: 'bets on the share (Heddle)',
  start: () => {
    let bets = startErrorBets();
    return (look) => {
      if (look.primary.requests > 0 && look.canary.requests > 0) bets = addErrorBets(bets, look, Math.log(100));
      return logErrorEValue(bets);
    };
  },
};

/** canary.md's e-process: the likelihood of every error, thinned in proportion to `errorsPerLook`. */
function likelihood(name: string, errorsPerLook: number): Evidence {
  const ratios = Array.from({ length: 30 }, (_, i) => 1.1 * (50 / 1.1) ** (i / 29));
  const start = (): ((look: Look) => number) => {
    const logs = ratios.map(() => -Math.log(ratios.length));
    return ({ primary, canary }) => {
      const errors = primary.errors + canary.errors;
      const share = canary.requests / (primary.requests + canary.requests);
      const thinning = Math.min(1, errorsPerLook / errors);
      let sum = 0;
      for (const [i, ratio] of ratios.entries()) {
        if (errors > 0 && share > 0 && share < 1) {
          const gain = canary.errors * Math.log(ratio) - errors * Math.log1p((ratio - 1) * share);
          logs[i] = (logs[i] ?? 0) + thinning * gain;
        }
        sum += Math.exp(logs[i] ?? 0);
      }
      return Math.log(sum);
    };
  };
  return { name, start };
}

export const evidences: readonly Evidence[] = [
  likelihood('likelihood of all errors', Infinity),
  likelihood('at most 20 errors a look', 20),
  likelihood('at most 1 error a look', 1),
  shareBets,
];

export interface BurstRow {
  readonly name: string;
  readonly clusterSize: number;
  /** Of canaries that are no worse, looked at for half an hour. */
  readonly falseAlarms: number;
  /** Mean seconds until a canary with ten times the errors is rolled back. */
  readonly secondsToRollback: number;
}

export function measureBursts(clusterSizes: readonly number[], releases: number): BurstRow[] {
  return clusterSizes.flatMap((clusterSize) =>
    evidences.map((evidence) => ({
      name: evidence.name,
      clusterSize,
      falseAlarms:
        alarms({ ...steady, clusterSize }, evidence, releases).filter((second) => second < 1800).length / releases,
      secondsToRollback: mean(alarms({ ...steady, clusterSize, ratioAt: () => 10 }, evidence, releases)),
    })),
  );
}

/** The second of each release's rollback at alpha = 1 %; 1800 where there is none. */
function alarms(scenario: Scenario, { start }: Evidence, releases: number): number[] {
  return Array.from({ length: releases }, (_, seed) => {
    const traffic = createTraffic(scenario, seed + 1);
    const take = start();
    let second = 0;
    while (second < 1800 && take(traffic.errors(second, 0.1)) < Math.log(100) - 1e-9) second++;
    return second;
  });
}

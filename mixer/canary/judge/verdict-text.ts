/** What a verdict says, in parts of sentences with the numbers. */
import type { Totals } from './counts.ts';
import type { SampleRatio } from './sample-ratio.ts';
import type { LatencyEstimate, Verdict } from './verdict.ts';

type Errors = Pick<Verdict, 'counts' | 'errorRatio'>;

export function describeErrors({ counts, errorRatio }: Errors): string {
  const { estimate, lower, upper } = errorRatio;
  const ratio = `error ratio ${orUnknown(estimate)} (${orUnknown(lower)} to ${orUnknown(upper)})`;
  return `${describeTotals('canary', counts.canary)}, ${describeTotals('primary', counts.primary)}, ${ratio}`;
}

export function describeTotals(version: string, totals: Totals): string {
  return `${version} ${count(totals.errors)} errors of ${count(totals.requests)} (${percent(errorRate(totals))})`;
}

export function errorRate({ requests, errors }: Totals): number {
  return requests > 0 ? errors / requests : 0;
}

export function describeLatency({ edgeMs, canaryShare = 0, primaryShare = 0, baselineShare }: LatencyEstimate): string {
  return `${percent(canaryShare)} of the canary's requests took longer than ${edgeMs} ms, ${percent(primaryShare)} of the primary's (${percent(baselineShare)} before)`;
}

/** A promotion promises no more of latency than there is evidence for. */
export function describeLatencyCertificates(latency: readonly LatencyEstimate[], maxLatencyRatio: number): string {
  if (latency.length === 0) return 'latency not judged: nothing is known of it before the release';
  const names = (isCertified: boolean): string =>
    latency
      .filter((edge) => edge.isCertified === isCertified)
      .map(({ quantile }) => nameOfQuantile(quantile))
      .join(', ');
  const certified = names(true);
  const open = names(false);
  const allowed = `slow requests <= ${maxLatencyRatio} times the primary's`;
  if (certified === '') return `latency not certified (${allowed}), nor is there evidence against it`;
  return `latency certified at ${certified} (${allowed})${open === '' ? '' : `, not at ${open}`}`;
}

export function nameOfQuantile(quantile: number): string {
  return `p${Math.round(quantile * 100)}`;
}

export function describeSplit({ requests, canaryRequests, expectedCanaryRequests }: SampleRatio): string {
  const got = percent(canaryRequests / requests);
  const expected = percent(expectedCanaryRequests / requests);
  return `sample ratio mismatch: the canary got ${got} of ${count(requests)} requests where the weights say ${expected}`;
}

const thousands = new Intl.NumberFormat('en-US');

export function count(number: number): string {
  return thousands.format(number);
}

export function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}

export function short(number: number): string {
  return number >= 1e6 ? number.toExponential(1) : String(Number(number.toPrecision(3)));
}

export function orUnknown(number: number | undefined): string {
  return number === undefined ? 'unknown' : short(number);
}

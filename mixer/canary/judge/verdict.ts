/** What the judge says at a look, with all its numbers. */
import type { RatioInterval } from './ratio-process.ts';

export interface LatencyEvidence extends RatioInterval {
  /** A bound of the histogram; slow is what took longer. */
  readonly edgeMs: number;
  /** Against "the share of slow requests is at most `maxLatencyRatio` times the primary's". */
  readonly eValue: number;
}

export type JudgeRule =
  | 'e-value'
  | 'no-requests'
  | 'sample-ratio-mismatch'
  | 'min-requests'
  | 'suspicion'
  | 'observed-limits'
  | 'step-evidence'
  | 'non-inferiority';

export interface Verdict {
  /** `advance`: the step's evidence suffices. */
  readonly outcome: 'rollback' | 'advance' | 'collect';
  /** The upper bounds of what the canary may be worse hold: what a promotion needs beyond the step's evidence. */
  readonly isCertified: boolean;
  readonly rule: JudgeRule;
  readonly metric: 'errors' | 'latency' | 'requests';
  /** One sentence. */
  readonly message: string;
  /** Against "the canary is no worse"; the release is rolled back at 1/alpha. */
  readonly eValue: number;
  /** Canary's rate of errors to the primary's. */
  readonly errorRatio: RatioInterval;
  /** Canary's rate of errors above the primary's, at most. */
  readonly maxIncrease: number;
  readonly latency: readonly LatencyEvidence[];
}

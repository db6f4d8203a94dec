/** What the judge says of a release. */
export interface Verdict {
  readonly outcome: 'rollback' | 'advance' | 'collect';
  readonly rule: string;
  readonly metric: string;
  readonly message: string;
  readonly eValue: number;
  readonly errorRatio: { readonly estimate: number; readonly lower: number; readonly upper: number };
}

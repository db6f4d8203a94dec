/** The release, step by step: which file is applied, and where requests must land then. */

/** Share of requests that must reach v2; between 0 and 1 the share is a draw of chance. */
export interface Step {
  readonly title: string;
  /** Relative to this example. */
  readonly file: string;
  readonly users: number;
  readonly testUsers: number;
}

export const steps: readonly Step[] = [
  { title: 'all to v1', file: 'release/1-all-to-v1.yaml', users: 0, testUsers: 0 },
  { title: 'test users to v2', file: 'release/2-test-users-to-v2.yaml', users: 0, testUsers: 1 },
  { title: '5 % of the users to v2', file: 'virtual-service.yaml', users: 0.05, testUsers: 1 },
  { title: '50 % of the users to v2', file: 'release/4-half-to-v2.yaml', users: 0.5, testUsers: 1 },
  { title: 'all to v2', file: 'release/5-all-to-v2.yaml', users: 1, testUsers: 1 },
  { title: 'back: all to v1', file: 'release/1-all-to-v1.yaml', users: 0, testUsers: 0 },
];

/** Where a group's requests went. */
export interface Split {
  readonly v1: number;
  readonly v2: number;
  readonly failed: number;
}

/**
 * How far a share may be from the expected one by chance, in standard deviations of a binomial share: a right split is
 * called wrong once in 150,000 steps.
 */
const tolerance = 4.5;

/** Why `split` is not what `expectedShare` of v2 promises; undefined when it is. */
export function findFault(split: Split, expectedShare: number): string | undefined {
  const { v1, v2, failed } = split;
  if (failed > 0) return `${failed} requests failed`;
  const total = v1 + v2;
  if (total === 0) return 'no request was sent';
  const share = v2 / total;
  const slack = tolerance * Math.sqrt((expectedShare * (1 - expectedShare)) / total);
  if (Math.abs(share - expectedShare) <= slack) return undefined;
  const range =
    slack === 0 ? percent(expectedShare) : `${percent(expectedShare - slack)} to ${percent(expectedShare + slack)}`;
  return `${percent(share)} of ${total} requests reached v2, expected ${range}`;
}

/** `4.9 %` */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

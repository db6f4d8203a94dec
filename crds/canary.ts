/**
 * Canary: a release of one subset of a service after another, decided on its traffic. Heddle's own kind; fields that mean what
 * they mean in Flagger carry Flagger's names (docs.flagger.app, Canary CRD).
 */
import { createHash } from 'node:crypto';
import { Type, type Static } from 'typebox';
import * as s from './schema.ts';
import { httpMatchRequest } from './virtual-service.ts';

const metric = s.record({
  name: s.string,
  provider: s.record({ address: Type.String({ description: 'Of Prometheus: http://prometheus:9090.' }) }),
  query: Type.String({ description: 'PromQL with one number as its answer.' }),
  thresholdRange: s.record({ min: s.optional(Type.Number()), max: s.optional(Type.Number()) }),
  interval: s.optional(s.duration),
});

const webhook = s.record({
  name: s.string,
  type: s.oneOf('confirm-rollout', 'pre-rollout', 'rollout', 'confirm-promotion', 'post-rollout', 'rollback', 'event'),
  url: s.string,
  timeout: s.optional(s.duration),
  retries: s.optional(Type.Integer({ minimum: 0, maximum: 10 })),
  metadata: s.optional(s.stringMap),
  secretFile: s.optional(Type.String({ description: 'Of the mixer: the key that signs what is sent.' })),
});

const weight = Type.Integer({ minimum: 1, maximum: 100 });

const analysis = s.message({
  interval: Type.String({ description: 'Least time of a step, default 10s; looks happen every second.' }),
  stepWeights: Type.Array(weight, { description: 'Percent of the requests, rising; default 1, 5, 20, 50.' }),
  stepWeight: weight,
  maxWeight: weight,
  iterations: Type.Integer({ minimum: 1, maximum: 10_000 }),
  match: Type.Array(httpMatchRequest, { description: 'Test users: they go to the canary before all others.' }),
  mirror: s.boolean,
  mirrorWeight: weight,
  alpha: Type.Number({
    exclusiveMinimum: 0,
    maximum: 0.5,
    description: 'Chance of ever rolling back a canary that is no worse; default 0.01.',
  }),
  maxErrorRatio: Type.Number({
    minimum: 1,
    maximum: 20,
    description: "A promotion certifies that the rate of errors is at most so many times the primary's; default 1.5.",
  }),
  maxErrorRateIncrease: Type.Number({
    minimum: 0,
    maximum: 1,
    description: 'Or at most so much higher, as a share of the requests; default 0.01.',
  }),
  maxLatencyRatio: Type.Number({
    minimum: 1,
    maximum: 20,
    description:
      "Up to so many times the primary's share of slow requests is no reason for a rollback; a promotion says at which quantiles it is certified; default 1.25.",
  }),
  minRequests: Type.Integer({
    minimum: 1,
    maximum: 2 ** 31 - 1,
    description: 'Requests to the canary that each step needs; default 100.',
  }),
  maxDuration: Type.String({ description: 'Of the whole release, pauses left out; default 1h.' }),
  onTimeout: s.oneOf('pause', 'promote', 'rollback'),
  manualGate: Type.Array(s.oneOf('rollout', 'promotion')),
  metrics: s.listOf(metric),
  webhooks: s.listOf(webhook),
});

export const canarySchema = Type.Object(
  {
    host: s.optional(Type.String({ description: 'The service; a short name is of the namespace.' })),
    targetRef: s.optional(s.record({ kind: s.oneOf('Service'), name: s.string })),
    subsets: s.record({
      primary: Type.String({ description: 'Subset of a DestinationRule of the host: what users have today.' }),
      canary: Type.String({ description: 'What they are to have.' }),
    }),
    revision: s.optional(Type.String({ description: 'Another one is another release of the same subsets.' })),
    gateways: s.optional(
      Type.Array(Type.String(), {
        description: 'Where the share is in force: NAMESPACE/NAME, or mesh for all sidecars; default everywhere.',
      }),
    ),
    sticky: s.optional(Type.String({ description: 'What a user is known by: as the annotation heddle.dev/sticky.' })),
    paused: s.optional(s.boolean),
    analysis: s.optional(analysis),
  },
  { additionalProperties: false, description: 'A release of one subset of a service after another.' },
);

export type CanarySpec = Static<typeof canarySchema>;

/** Flagger's. */
export type CanaryPhase =
  | 'Initializing'
  | 'Initialized'
  | 'Waiting'
  | 'Progressing'
  | 'WaitingPromotion'
  | 'Promoting'
  | 'Finalising'
  | 'Succeeded'
  | 'Failed';

interface Counts {
  readonly requests: number;
  readonly errors: number;
}

interface VersionPair {
  readonly primary: Counts;
  readonly canary: Counts;
}

export interface CanaryRouting {
  /** Percent of the requests that go to the canary. */
  readonly weight: number;
  /** Those of `analysis.match` all go there. */
  readonly toMatched: boolean;
  /** Percent of the requests whose copies go there. */
  readonly mirrorPercent: number;
}

export interface CanaryDecision {
  /** RFC 3339. */
  readonly at: string;
  readonly step: number;
  readonly weight: number;
  readonly decision:
    | 'initialize'
    | 'wait'
    | 'advance'
    | 'promote'
    | 'succeed'
    | 'rollback'
    | 'pause'
    | 'resume'
    | 'hold';
  readonly rule: string;
  readonly metric?: string;
  readonly message: string;
  readonly counts?: VersionPair;
  readonly estimate?: number;
  readonly interval?: readonly number[];
  readonly eValue?: number;
}

/** Written by whoever drives the release; the control plane reads `revision` and `routing`. */
export interface CanaryStatus {
  readonly phase?: CanaryPhase;
  /** Of the spec that it is about: `revisionOf`. */
  readonly revision?: string;
  readonly canaryWeight?: number;
  readonly routing?: CanaryRouting;
  readonly step?: number;
  readonly stepStartedAt?: string;
  readonly startedAt?: string;
  readonly iterations?: number;
  readonly lease?: { readonly holder: string; readonly renewedAt: string; readonly seconds: number };
  /** The driver's own. */
  readonly analysis?: unknown;
  readonly counts?: VersionPair;
  /** An end is left out where nothing bounds it. */
  readonly errorRatio?: { readonly estimate?: number; readonly lower?: number; readonly upper?: number };
  readonly eValue?: number;
  readonly latency?: readonly unknown[];
  readonly decisions?: readonly CanaryDecision[];
  readonly request?: { readonly action: 'promote' | 'abort' | 'pause' | 'resume'; readonly at: string };
  readonly conditions?: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason?: string;
    readonly message?: string;
    readonly lastTransitionTime?: string;
  }[];
}

/** As written: a short name or a full one. */
export function hostOfCanary({ host, targetRef }: Pick<CanarySpec, 'host' | 'targetRef'>): string {
  return host ?? targetRef?.name ?? '';
}

/** The same for what is the same release; a decision is final for one. */
export function revisionOf(spec: CanarySpec): string {
  const { primary, canary } = spec.subsets;
  const identity = JSON.stringify([hostOfCanary(spec), primary, canary, spec.revision ?? '']);
  return createHash('sha256').update(identity).digest('hex').slice(0, 16);
}

const noCanary: CanaryRouting = { weight: 0, toMatched: false, mirrorPercent: 0 };

/** What is in force: nothing goes to the canary of a release that has not begun. Weights from outside are bounded. */
export function routingOf(spec: CanarySpec, status: CanaryStatus | undefined): CanaryRouting {
  const { routing, revision } = status ?? {};
  if (routing === undefined || revision !== revisionOf(spec)) return noCanary;
  return {
    weight: boundedPercent(routing.weight),
    toMatched: routing.toMatched,
    mirrorPercent: boundedPercent(routing.mirrorPercent),
  };
}

function boundedPercent(value: unknown): number {
  return typeof value === 'number' && value > 0 ? Math.min(100, Math.round(value)) : 0;
}

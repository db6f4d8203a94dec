/** Canary: spec and status as the mixer and the commands read them. A placeholder of the kind: it is in no table of kinds yet. */
import { createHash } from 'node:crypto';
export interface CanarySpec {
  host?: string;
  targetRef?: { kind: 'Service'; name: string };
  subsets: { primary: string; canary: string };
  revision?: string;
  gateways?: string[];
  sticky?: string;
  paused?: boolean;
  analysis?: {
    interval?: string;
    stepWeights?: number[];
    stepWeight?: number;
    maxWeight?: number;
    iterations?: number;
    match?: object[];
    mirror?: boolean;
    mirrorWeight?: number;
    alpha?: number;
    maxErrorRatio?: number;
    maxErrorRateIncrease?: number;
    maxLatencyRatio?: number;
    minRequests?: number;
    maxDuration?: string;
    onTimeout?: 'pause' | 'promote' | 'rollback';
    manualGate?: ('rollout' | 'promotion')[];
    metrics?: {
      name: string;
      provider?: { address: string };
      query: string;
      thresholdRange?: { min?: number; max?: number };
      interval?: string;
    }[];
    webhooks?: {
      name: string;
      type: 'confirm-rollout' | 'pre-rollout' | 'rollout' | 'confirm-promotion' | 'post-rollout' | 'rollback' | 'event';
      url: string;
      timeout?: string;
      retries?: number;
      metadata?: Record<string, string>;
      secretFile?: string;
    }[];
  };
}
type Counts = { requests: number; errors: number };
export interface CanaryStatus {
  phase?:
    | 'Initializing'
    | 'Initialized'
    | 'Waiting'
    | 'Progressing'
    | 'WaitingPromotion'
    | 'Promoting'
    | 'Finalising'
    | 'Succeeded'
    | 'Failed';
  revision?: string;
  canaryWeight?: number;
  routing?: { weight: number; toMatched: boolean; mirrorPercent: number };
  step?: number;
  stepStartedAt?: string;
  startedAt?: string;
  iterations?: number;
  lease?: { holder: string; renewedAt: string; seconds: number };
  analysis?: unknown;
  counts?: { primary: Counts; canary: Counts };
  errorRatio?: { estimate?: number; lower?: number; upper?: number };
  eValue?: number;
  latency?: unknown[];
  decisions?: {
    at: string;
    step: number;
    weight: number;
    decision: 'initialize' | 'wait' | 'advance' | 'promote' | 'succeed' | 'rollback' | 'pause' | 'resume' | 'hold';
    rule: string;
    metric?: string;
    message: string;
    counts?: { primary: Counts; canary: Counts };
    estimate?: number;
    interval?: number[];
    eValue?: number;
  }[];
  request?: { action: 'promote' | 'abort' | 'pause' | 'resume'; at: string };
  conditions?: { type: string; status: string; reason?: string; message?: string; lastTransitionTime?: string }[];
}
export function hostOfCanary(spec: CanarySpec): string {
  return spec.host ?? spec.targetRef?.name ?? '';
}
export function revisionOf(spec: CanarySpec): string {
  return createHash('sha256')
    .update(JSON.stringify([hostOfCanary(spec), spec.subsets, spec.revision ?? '']))
    .digest('hex')
    .slice(0, 16);
}

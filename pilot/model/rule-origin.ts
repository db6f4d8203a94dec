/** Where rules were written that do not stand where they were: delegates and releases put them there. */
import type { HTTPRoute } from '../../crds/virtual-service.ts';

export interface RuleOrigin {
  /** Of the rule in the root that includes it. */
  readonly rootIndex: number;
  /** `NAMESPACE/NAME`; undefined for a rule of the root itself. */
  readonly delegate: string | undefined;
  /** Of the rule in the delegate. */
  readonly delegateIndex: number;
  /** The Canary that decides its destinations. */
  readonly release?: RuleRelease | undefined;
}

export interface RuleRelease {
  /** `NAMESPACE/NAME`. */
  readonly canary: string;
  /** The rule was put in front of the one that was written. */
  readonly isForTestUsers: boolean;
}

const origins = new WeakMap<HTTPRoute, RuleOrigin>();

/** Undefined for rules that are where they were written. */
export function originOf(rule: HTTPRoute): RuleOrigin | undefined {
  return origins.get(rule);
}

/** The first word about a rule counts. */
export function rememberOrigin(rule: HTTPRoute, origin: RuleOrigin): void {
  if (!origins.has(rule)) origins.set(rule, origin);
}

/** `copy` was made of `rule`, of which the origin is known, by a release. */
export function copyOrigin(rule: HTTPRoute, copy: HTTPRoute, release: RuleRelease): void {
  const origin = origins.get(rule);
  if (origin !== undefined) origins.set(copy, { ...origin, release });
}

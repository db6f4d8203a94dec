/** What `heddle explain` says about one request, before it is printed. */
import type { HeaderChanges } from '../offline/header-list.ts';

export interface ExplainRequest {
  /** Upper case; default GET. */
  readonly method: string;
  readonly url: string;
  /** What stands behind `Host:`. */
  readonly authority: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** The client whose sidecar decides. */
export interface ExplainClient {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Explanation {
  readonly request: Pick<ExplainRequest, 'method' | 'url'>;
  readonly outcome: Outcome;
  /** Undefined: no virtual host has the request's Host. */
  readonly virtualHost: { readonly name: string; readonly domain: string; readonly why: string } | undefined;
  /** The VirtualService in force; undefined where none rules the host, or a Canary alone does. */
  readonly rules: { readonly name: string; readonly place: string | undefined } | undefined;
  /** Every match of every rule, in order. */
  readonly matches: readonly ConsideredMatch[];
  readonly route: string | undefined;
  readonly destination: ExplainedDestination | undefined;
  /** Undefined where no Canary decides about the request. */
  readonly release: ExplainedRelease | undefined;
  /** What else the route does, one line each. */
  readonly inForce: readonly InForce[];
  readonly upstream: UpstreamView | undefined;
  readonly response: HeaderChanges['set'];
  readonly timeoutMs: number | undefined;
}

export interface Outcome {
  readonly kind: 'forward' | 'redirect' | 'direct response' | 'error';
  /** Of the proxy's own answer; undefined when the destination answers. */
  readonly status: number | undefined;
  /** Envoy's response flag; `-` for none. */
  readonly flag: string;
  readonly sentence: string;
  /** Of a redirect. */
  readonly location: string | undefined;
}

export interface ConsideredMatch {
  /** Index in the VirtualService's `http`, zero-based as in `http[0]`. */
  readonly rule: number;
  readonly ruleName: string | undefined;
  /** Undefined for a rule without matches. */
  readonly match: number | undefined;
  readonly matchName: string | undefined;
  /** `NAMESPACE/NAME` of the VirtualService that the rule was taken from. */
  readonly delegate: string | undefined;
  /** Index in the delegate's `http`. */
  readonly delegateRule: number | undefined;
  /** `NAMESPACE/NAME` of the Canary that decides its destinations. */
  readonly canary: string | undefined;
  /** The rule is not written: it stands in front of one that is, for the test users of the Canary. */
  readonly isForTestUsers: boolean;
  readonly place: string | undefined;
  readonly verdict: 'taken' | 'no match' | 'not for this client' | 'unreachable' | 'not asked';
  readonly reason: string;
}

export interface ExplainedDestination {
  readonly cluster: string;
  readonly host: string;
  readonly subset: string;
  readonly port: number;
  readonly why: string;
  /** `NAMESPACE/NAME` of each DestinationRule behind the policy. */
  readonly destinationRules: readonly { readonly name: string; readonly place: string | undefined }[];
  /** Undefined: not known offline. */
  readonly endpoints: number | undefined;
  /** False: no such cluster. */
  readonly isKnown: boolean;
}

export interface ExplainedRelease {
  /** `NAMESPACE/NAME` of the Canary. */
  readonly canary: string;
  readonly place: string | undefined;
  readonly phase: string;
  /** Percent of the requests that go to `subset`. */
  readonly weight: number;
  readonly subset: string;
  readonly why: string;
}

export interface InForce {
  readonly what: string;
  readonly how: string;
}

export interface UpstreamView {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly headers: HeaderChanges;
  /** All of them; several values of one name joined with a comma. */
  readonly sent: Readonly<Record<string, string>>;
}

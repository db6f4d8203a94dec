/** One request and a configuration → where the request goes and why. */
import { allowAnyHostName } from '../../networking/outbound-policy.ts';
import type { VirtualServiceSpec } from '../../../crds/virtual-service.ts';
import { listHeaders, compareHeaders, joined } from '../offline/header-list.ts';
import type { NodeMetadata } from '../../../proxy/api/node.ts';
import type { PushContext } from '../../model/push-context.ts';
import { isMadeForRelease } from '../../model/canaries.ts';
import { type Client, clientOf } from '../../model/client.ts';
import { sourceLabelKeys } from '../../networking/source-match.ts';
import { buildOutboundHosts, type OutboundHost } from '../../networking/virtual-hosts.ts';
import { explainChecks } from './check-verdicts.ts';
import { considerMatches } from './considered-matches.ts';
import { explainDestination } from './destination.ts';
import { explainRelease } from './release.ts';
import type { ConsideredMatch, ExplainClient, Explanation, ExplainRequest, InForce, Outcome } from './explanation.ts';
import { listInForce } from './in-force.ts';
import { clientNode, type MeshView, viewContext } from './mesh-view.ts';
import { TracedProxy, type Trace } from './traced-proxy.ts';

export interface Explainer {
  /** Hosts that were taken for services because rules name them and nobody declares them. */
  readonly assumed: readonly string[];
  /** Undefined when the proxy does not take the request for one. */
  explain(request: ExplainRequest): Promise<Explanation | undefined>;
}

export interface ExplainerOptions {
  readonly view: MeshView;
  readonly client: ExplainClient;
  /** Of what is drawn for each request; default 1. */
  readonly seed?: number;
}

export function createExplainer({ view, client, seed = 1 }: ExplainerOptions): Explainer {
  const { push, assumed } = viewContext(view);
  const node = clientNode(client);
  const caller = clientOf(node, sourceLabelKeys(push.config));
  const hosts = buildOutboundHosts(push.config, caller);
  return {
    assumed,
    explain: async (request) => {
      // A proxy of its own for each request: what one draws or uses up is not missing to the next.
      const proxy = await TracedProxy.start({ push, node, assumesEndpoints: !view.knowsEndpoints, seed });
      const trace = proxy.trace(headOf(request));
      return trace && assemble({ request, trace, proxy, hosts, push, node, caller, view });
    },
  };
}

/** As a client would send it. */
function headOf({ method, path, authority, headers }: ExplainRequest): Buffer {
  const lines = [['host', authority] as const, ...headers].map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
}

interface Assembly {
  readonly request: ExplainRequest;
  readonly trace: Trace;
  readonly proxy: TracedProxy;
  readonly hosts: readonly OutboundHost[];
  readonly push: PushContext;
  readonly node: NodeMetadata;
  readonly caller: Client;
  readonly view: MeshView;
}

function assemble(assembly: Assembly): Explanation {
  const { request, trace, proxy, hosts, push, node, view } = assembly;
  const { virtualHost, route, sent, received } = trace;
  const host = hosts.find(({ virtualHost: { name } }) => name === virtualHost?.name);
  const matches = host?.rules === undefined ? [] : matchesOf(assembly, host);
  const isMade = host?.rules !== undefined && isMadeForRelease(host.rules);
  const name = host?.rules && !isMade ? `${host.rules.metadata.namespace}/${host.rules.metadata.name}` : undefined;
  const action = route?.action;
  const destination = explainDestination({ trace, proxy, config: push.config, node, view });
  return {
    request: { method: request.method, url: request.url },
    outcome: outcomeOf(trace),
    virtualHost: virtualHost && {
      name: virtualHost.name,
      domain: virtualHost.domain,
      why: whyDomain(virtualHost.domain),
    },
    rules: name === undefined ? undefined : { name, place: view.locate({ kind: 'VirtualService', name }, '') },
    matches,
    route: route?.name,
    destination,
    release: explainRelease(matches, view),
    inForce: [...listInForce(trace), ...checksOf(assembly, destination)],
    upstream: sent && {
      method: sent.method,
      path: sent.path,
      host: joined(sent.headers).get('host') ?? sent.authority,
      headers: withoutHost(compareHeaders(listHeaders(received), sent.headers)),
      sent: Object.fromEntries(joined(sent.headers)),
    },
    response: Object.fromEntries(trace.response.headers.filter(([name]) => !ownHeaders.has(name))),
    timeoutMs: action?.kind === 'route' ? action.timeoutMs : undefined,
  };
}

/** Of who serves the destination: they are in force there. */
function checksOf({ trace, push, node }: Assembly, destination: Explanation['destination']): InForce[] {
  if (destination === undefined || trace.sent === undefined) return [];
  return explainChecks({ head: trace.received, client: node, destination, nowMs: Date.now() }, push);
}

/** Of every answer; they say nothing about rules. */
const ownHeaders: ReadonlySet<string> = new Set([
  'date',
  'server',
  'content-length',
  'content-type',
  'x-envoy-upstream-service-time',
  'x-heddle-reason',
]);

/** The Host is shown by itself; the peer's metadata is for the sidecar on the other side. */
function withoutHost({ set, removed }: ReturnType<typeof compareHeaders>): ReturnType<typeof compareHeaders> {
  const { host: _host, 'x-envoy-peer-metadata': _peer, ...rest } = set;
  return { set: rest, removed };
}

function matchesOf({ trace, proxy, push, caller, view }: Assembly, { rules, port }: OutboundHost): ConsideredMatch[] {
  if (rules === undefined) return [];
  const { virtualHost, route, received: head } = trace;
  const decoded = proxy.routeConfiguration?.virtualHosts.find(({ name }) => name === virtualHost?.name);
  const takenIndex = route === undefined ? -1 : (virtualHost?.routes.indexOf(route) ?? -1);
  const context = { rules, config: push.config, client: caller, port };
  const considered = considerMatches({ context, routes: decoded?.routes ?? [], takenIndex, head, view });
  return [...considered, ...lostDelegates(considered, `${rules.metadata.namespace}/${rules.metadata.name}`, view)].sort(
    (a, b) => a.rule - b.rule,
  );
}

/** Rules that stand for a delegate of which nothing came (S31). */
function lostDelegates(considered: readonly ConsideredMatch[], name: string, view: MeshView): ConsideredMatch[] {
  const isWritten = ({ kind, metadata }: MeshView['resources'][number]): boolean =>
    kind === 'VirtualService' && `${metadata.namespace}/${metadata.name}` === name;
  const spec = view.resources.find(isWritten)?.spec as VirtualServiceSpec | undefined;
  return (spec?.http ?? []).flatMap((rule, index): ConsideredMatch[] => {
    if (rule.delegate === undefined || considered.some((each) => each.rule === index)) return [];
    const delegate = `${rule.delegate.namespace || name.split('/')[0]}/${rule.delegate.name ?? ''}`;
    const place = view.locate({ kind: 'VirtualService', name }, `spec.http[${index}].delegate`);
    const none = { match: undefined, matchName: undefined, canary: undefined, isForTestUsers: false };
    const base = { rule: index, ruleName: rule.name || undefined, ...none };
    const reason = 'the delegate is not there, not visible here, or its matches lie outside of those of this rule';
    return [{ ...base, delegate, delegateRule: undefined, place, verdict: 'unreachable', reason }];
  });
}

function whyDomain(domain: string): string {
  if (domain === '*') return 'the default for every Host';
  return domain.startsWith('*') || domain.endsWith('*') ? `wildcard ${domain}` : `exact name ${domain}`;
}

function outcomeOf({ response, route, virtualHost, received, sent }: Trace): Outcome {
  const { status, flag, reason, headers } = response;
  const base = { status, flag, location: undefined };
  if (flag !== '-' && flag !== 'DI') {
    const isDeclared = virtualHost !== undefined && virtualHost.name !== allowAnyHostName;
    const noHost = `no service and no rule has the host ${JSON.stringify(received.authority)}`;
    const noRule = `no rule of ${virtualHost?.name} matches the request`;
    const why = flag === 'NR' ? (isDeclared ? noRule : noHost) : (reason ?? '');
    return { ...base, kind: 'error', sentence: why };
  }
  switch (route?.action.kind) {
    case 'redirect': {
      const location = joined(headers).get('location');
      return { ...base, kind: 'redirect', location, sentence: `to ${location}` };
    }
    case 'direct_response':
      return { ...base, kind: 'direct response', sentence: 'the rule answers itself' };
    case 'route':
    case undefined:
      if (sent !== undefined)
        return { ...base, status: undefined, kind: 'forward', sentence: 'the destination answers' };
      return {
        ...base,
        kind: 'direct response',
        sentence: 'the proxy answers, the destination is not asked (CORS preflight)',
      };
  }
}

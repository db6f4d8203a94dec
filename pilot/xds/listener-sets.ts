/** The listeners of a node, translated and encoded once for all nodes that share them. */
import type { Listener } from '../../proxy/api/envoy.gen.ts';
import { isIntercepted } from '../../proxy/api/interception.ts';
import { metricRulesMetadata } from '../../proxy/api/metric-rules.ts';
import type { NodeMetadata } from '../../proxy/api/node.ts';
import { resourceTypes } from '../../proxy/api/resource-types.ts';
import { type Client, clientOf } from '../model/client.ts';
import { inboundPortsOf } from '../model/inbound-ports.ts';
import type { CheckRules } from '../model/check-rules.ts';
import { memoize } from '../model/memoize.ts';
import { metricRulesOf } from '../model/metric-rules.ts';
import type { AddressedWorkloads, PushConfig, PushContext } from '../model/push-context.ts';
import type { Telemetries, WorkloadMode } from '../model/telemetries.ts';
import { buildAccessLogs } from '../networking/access-logs.ts';
import { buildAuthorizationFilters } from '../networking/authorization.ts';
import type { ListenerReports } from '../networking/http-connection-manager.ts';
import { buildDnsListener, type DnsInterception } from '../networking/dns-listener.ts';
import { buildInterceptedInboundListener, type InboundInterception } from '../networking/intercepted-inbound.ts';
import type { OutboundInterception } from '../networking/intercepted-outbound.ts';
import { buildInboundListener, buildOutboundListener, type OutboundPorts } from '../networking/listeners.ts';
import { sourceLabelKeys } from '../networking/source-match.ts';
import { buildTracing, isTracing } from '../networking/tracing.ts';
import { enforcerOf } from './enforcers.ts';
import { OutboundListenerSet, type OutboundPlan } from './outbound-listener-set.ts';
import type { EncodedResource, ResourceEncoder } from './resource-encoder.ts';

/**
 * Where requests are addressed to a sidecar, the listeners that serve them depend on the node and on what they tell about
 * requests: no other rule ever touches them. `adapt`: what is changed in each of them.
 */
export function createListenerSets(encoder: ResourceEncoder, adapt = (listener: Listener): Listener => listener) {
  const encode = (listener: Listener): EncodedResource =>
    encoder.encode(listener.name ?? '', resourceTypes.LDS.messageName, adapt(listener));
  const outbound = memoize((telemetries: Telemetries, { outboundPort, client }: OutboundPorts & { client: Client }) => {
    const listener = buildOutboundListener({ outboundPort }, buildAccessLogs(telemetries, client, 'CLIENT'));
    return encode(withMetricRules(listener, telemetries, client));
  });
  // Nodes come and go while no Telemetry changes: what is made for one of them goes with it.
  const ofNodes = memoize((telemetries: Telemetries, _key: null) =>
    memoize((node: NodeMetadata, _node: null) => {
      const client = listenerClient(node, telemetries);
      return buildNodeListeners(node, telemetries).map((each) => encode(withMetricRules(each, telemetries, client)));
    }),
  );
  const intercepted = createInterceptedListeners(encode);
  const dns = createDnsListeners(encode);
  return (node: NodeMetadata, push: Rules): readonly EncodedResource[] => {
    const { config } = push;
    if (isIntercepted(node)) return [...intercepted(node, push), ...dns(node, push)];
    const { telemetries } = config;
    const { outboundPort } = node;
    const isShared = outboundPort !== 0 && !isTracing(telemetries.meshConfig);
    return [
      ...(isShared ? [outbound(telemetries, { outboundPort, client: listenerClient(node, telemetries) })] : []),
      ...ofNodes(telemetries, null)(node, null),
      ...dns(node, push),
    ];
  };
}

/** Of nodes that ask for it: made of the services that their namespace sees. */
function createDnsListeners(encode: (listener: Listener) => EncodedResource) {
  const shared = memoize((config: PushConfig, _key: null) =>
    memoize((workloads: AddressedWorkloads, interception: DnsInterception) =>
      encode(buildDnsListener(config, workloads, interception)),
    ),
  );
  return (node: NodeMetadata, { config, addressed }: Rules): readonly EncodedResource[] => {
    const { dnsPort, namespace } = node;
    if (dnsPort === undefined) return [];
    return [shared(config, null)(addressed, { dnsPort, namespace, isIntercepted: isIntercepted(node) })];
  };
}

/** Those of intercepted nodes are made of the services, and of the rules for connections. */
function createInterceptedListeners(encode: (listener: Listener) => EncodedResource) {
  const setOf = (config: PushConfig, plan: OutboundPlan): OutboundListenerSet =>
    new OutboundListenerSet(config, plan, (listener) =>
      encode(withMetricRules(listener, config.telemetries, plan.logging)),
    );
  const shared = memoize((config: PushConfig, { logging, interception }: Omit<OutboundPlan, 'reports'>) =>
    setOf(config, { interception, logging, reports: buildAccessLogs(config.telemetries, logging, 'CLIENT') }),
  );
  // Spans tell about the node itself.
  const traced = memoize((config: PushConfig, _key: null) =>
    memoize((node: NodeMetadata, _node: null) => {
      const { telemetries } = config;
      const reports = reportsOf(node, telemetries, 'CLIENT');
      const interception = outboundInterceptionOf(node, config);
      return setOf(config, { interception, logging: listenerClient(node, telemetries), reports });
    }),
  );
  // Of the rules, which change with the addresses of workloads, those for its connections.
  const inbound = memoize((config: PushConfig, _key: null) =>
    memoize((node: NodeMetadata, _node: null) =>
      memoize((checks: CheckRules, _checks: null) => {
        const reports = reportsOf(node, config.telemetries, 'SERVER');
        const rules = checks.all.length === 0 ? [] : checks.for(enforcerOf(node, { config, checks }));
        const listener = buildInterceptedInboundListener({ ...inboundInterceptionOf(node, config), rules }, reports);
        return encode(withMetricRules(listener, config.telemetries, listenerClient(node, config.telemetries)));
      }),
    ),
  );
  return (node: NodeMetadata, { config, checks, addressed }: Rules): readonly EncodedResource[] => {
    const { telemetries } = config;
    const interception = outboundInterceptionOf(node, config);
    const outbound = isTracing(telemetries.meshConfig)
      ? traced(config, null)(node, null)
      : shared(config, { interception, logging: listenerClient(node, telemetries) });
    return [...outbound.with(addressed), inbound(config, null)(node, null)(checks, null)];
  };
}

type Rules = Pick<PushContext, 'config' | 'checks' | 'addressed'>;

function outboundInterceptionOf(node: NodeMetadata, config: PushConfig): OutboundInterception {
  const { interceptionMode: mode = 'NONE', outboundPort, inboundPort } = node;
  return { mode, outboundPort, inboundPort, client: clientOf(node, sourceLabelKeys(config)) };
}

export function inboundInterceptionOf(node: NodeMetadata, config: PushConfig): InboundInterception {
  const { interceptionMode: mode = 'NONE', inboundPort } = node;
  return { mode, inboundPort, ports: inboundPortsOf(node, config) };
}

export function reportsOf(node: NodeMetadata, telemetries: Telemetries, mode: WorkloadMode): ListenerReports {
  return {
    ...buildAccessLogs(telemetries, listenerClient(node, telemetries), mode),
    ...buildTracing(node, telemetries.meshConfig),
    authorization: buildAuthorizationFilters(telemetries.meshConfig),
  };
}

export function withMetricRules(listener: Listener, telemetries: Telemetries, client: Client): Listener {
  const mode = listener.traffic_direction === 'INBOUND' ? 'SERVER' : 'CLIENT';
  const rules = metricRulesOf(telemetries, client, mode);
  return rules === undefined ? listener : { ...listener, metadata: metricRulesMetadata(rules) };
}

/** Those that other nodes cannot share: spans tell about the node itself. */
function buildNodeListeners(node: NodeMetadata, telemetries: Telemetries): Listener[] {
  const isTraced = node.outboundPort !== 0 && isTracing(telemetries.meshConfig);
  return [
    ...(isTraced ? [buildOutboundListener(node, reportsOf(node, telemetries, 'CLIENT'))] : []),
    ...(hasInbound(node) ? [buildInboundListener(node, reportsOf(node, telemetries, 'SERVER'))] : []),
  ];
}

/** Workloads that no Telemetry tells apart share what is made for them. */
export function listenerClient(node: NodeMetadata, telemetries: Telemetries): Client {
  return telemetries.isAboutNamespace(node.namespace) ? clientOf(node, telemetries.selectorLabels) : { namespace: '' };
}

/** A pure client has none. */
export function hasInbound({ inboundPort, appPort }: NodeMetadata): boolean {
  return inboundPort !== 0 && appPort !== 0;
}

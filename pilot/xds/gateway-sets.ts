/** Listeners and routes of gateways, translated and encoded once per gateway and change of configuration. */
import type { NodeMetadata } from '../../proxy/api/node.ts';
import { resourceTypes } from '../../proxy/api/resource-types.ts';
import type { Client } from '../model/client.ts';
import type { GatewayListener } from '../model/gateways.ts';
import { memoize } from '../model/memoize.ts';
import type { PushConfig, PushContext } from '../model/push-context.ts';
import { placeOf } from '../model/workload.ts';
import { askForLimits } from '../networking/asked-rate-limits.ts';
import { buildCheckFilters } from '../networking/check-rules.ts';
import { buildGatewayListener } from '../networking/gateway-listeners.ts';
import { buildGatewaySecrets } from '../networking/gateway-secrets.ts';
import { buildGatewayHosts } from '../networking/gateway-routes.ts';
import { enforcerOf } from './enforcers.ts';
import { listenerClient, reportsOf, withMetricRules } from './listener-sets.ts';
import { encodeSharedRoutes, outboundRoutesFor, type SharedRoutes } from './outbound-routes.ts';
import type { EncodedResource, ResourceEncoder } from './resource-encoder.ts';

interface NodeView {
  readonly client: Client;
  readonly listeners: readonly GatewayListener[];
  readonly routes: Map<string, SharedRoutes | undefined>;
}

/** A server that cannot be served. */
export interface CredentialFault {
  /** `NAMESPACE/NAME` of the Gateway. */
  readonly gateway: string;
  readonly hosts: string;
  readonly fault: string;
}

export function createGatewaySets(encoder: ResourceEncoder, onCredentialFault: (fault: CredentialFault) => void) {
  const views = memoize((config: PushConfig, _key: null) =>
    memoize((node: NodeMetadata, _node: null): NodeView => {
      const { labels } = placeOf(node);
      const listeners = config.gateways.listenersOf(node.labels, node.portOffset);
      const stranger = node.isEnvoy === true ? ({ isEnvoy: true } as const) : {};
      return {
        client: { namespace: node.namespace, labels, isGateway: true, ...stranger },
        listeners,
        routes: new Map(),
      };
    }),
  );
  const viewOf = (node: NodeMetadata, config: PushConfig): NodeView => views(config, null)(node, null);
  const encodedListeners = memoize((config: PushConfig, _key: null) =>
    memoize((node: NodeMetadata, _node: null): readonly EncodedResource[] => {
      const { client, listeners } = viewOf(node, config);
      const reports = reportsOf(node, config.telemetries, 'CLIENT');
      for (const fault of credentialFaults(listeners, client.namespace, config)) onCredentialFault(fault);
      const context = { config, client, reports, trustedProxies: node.trustedProxies ?? 0 };
      return listeners
        .flatMap((listener) => buildGatewayListener(listener, context) ?? [])
        .map((listener) => withMetricRules(listener, config.telemetries, listenerClient(node, config.telemetries)))
        .map((listener) => (node.isEnvoy === true ? askForLimits(listener) : listener))
        .map((listener) => encoder.encode(listener.name ?? '', resourceTypes.LDS.messageName, listener));
    }),
  );
  const encodedSecrets = memoize((config: PushConfig, _key: null) =>
    memoize((node: NodeMetadata, _node: null): ReadonlyMap<string, EncodedResource> => {
      const { client, listeners } = viewOf(node, config);
      const secrets = buildGatewaySecrets(listeners, client.namespace, config.credentials).map((secret) =>
        encoder.encode(secret.name ?? '', resourceTypes.SDS.messageName, secret),
      );
      return new Map(secrets.map((secret) => [secret.name, secret]));
    }),
  );
  return {
    /** Those that the node's own Gateways name, of its own namespace. */
    secrets: (node: NodeMetadata, config: PushConfig) => {
      const secrets = encodedSecrets(config, null)(node, null);
      return (name: string): EncodedResource | undefined => secrets.get(name);
    },
    listeners: (node: NodeMetadata, config: PushConfig) => encodedListeners(config, null)(node, null),
    routes: (node: NodeMetadata, { config, checks }: PushContext, name: string): EncodedResource | undefined => {
      const { client, listeners, routes } = viewOf(node, config);
      if (!routes.has(name)) {
        const hosts = buildGatewayHosts(listeners, name, { config, client });
        routes.set(name, hosts && encodeSharedRoutes(hosts));
      }
      const shared = routes.get(name);
      const rules = checks.for(enforcerOf(node, { config, checks }));
      const port = listeners.find(({ servers }) => servers.some(({ routeName }) => routeName === name))?.port ?? 0;
      return shared && outboundRoutesFor(shared, node, { name, ...buildCheckFilters(rules, port) });
    },
  };
}

function credentialFaults(
  listeners: readonly GatewayListener[],
  namespace: string,
  { credentials }: PushConfig,
): CredentialFault[] {
  return listeners.flatMap(({ servers }) =>
    servers.flatMap(({ server: { tls = {}, hosts }, gateway }) => {
      const fault = credentials.faultOf(tls, namespace);
      return fault === undefined ? [] : [{ gateway, hosts: hosts.join(' '), fault }];
    }),
  );
}

/**
 * Conditions of a VirtualService that are decided when routes are made, because they are about the client and the port
 * and not about the request (semantics S5, S6).
 */
import { meshGateway, resolveGatewayName } from '../../crds/gateway-name.ts';
import type { HTTPMatchRequest, L4MatchAttributes } from '../../crds/virtual-service.ts';
import type { PushConfig } from '../model/push-context.ts';
import { isSelected } from '../model/workload.ts';
import type { RouteContext } from './route-context.ts';

/** Whether `match` concerns the client and the port that routes are made for. */
export function isForClient(match: HTTPMatchRequest, context: RouteContext): boolean {
  return failedSourceCondition(match, context) === undefined;
}

/** The condition by which `match` does not concern the client or the port. */
export function failedSourceCondition(
  match: HTTPMatchRequest,
  context: RouteContext,
): 'port' | 'gateways' | 'sourceNamespace' | 'sourceLabels' | undefined {
  const { client, port } = context;
  if (match.port && match.port !== port) return 'port';
  // Who names gateways says where the rule is in force, and then nothing else about the source counts (S5).
  if (match.gateways?.length) return names(match.gateways, context) ? undefined : 'gateways';
  if (match.sourceNamespace && match.sourceNamespace !== client.namespace) return 'sourceNamespace';
  return isSelected(client.labels ?? {}, match.sourceLabels ?? {}) ? undefined : 'sourceLabels';
}

/**
 * The same for TCP and TLS rules, of which all conditions hold at once: unlike those of HTTP rules they stay in force beside
 * `gateways`, as in Istio. At a gateway nobody has labels.
 */
export function isL4ForClient(match: L4MatchAttributes, context: RouteContext): boolean {
  const { client, port, gateway } = context;
  const { gateways = [], sourceNamespace = '', sourceLabels = {} } = match;
  if (match.port && match.port !== port) return false;
  if (gateways.length > 0 && !names(gateways, context)) return false;
  if (gateway !== undefined) return true;
  return (
    (sourceNamespace === '' || sourceNamespace === client.namespace) && isSelected(client.labels ?? {}, sourceLabels)
  );
}

/** Whether the gateway, or the mesh, is among those that a rule names. */
function names(gateways: readonly string[], { gateway = meshGateway, rules }: RouteContext): boolean {
  return gateways.some((name) => resolveGatewayName(name, rules.metadata.namespace) === gateway);
}

const keysOfConfig = new WeakMap<PushConfig, ReadonlySet<string>>();

/** The labels that some rule asks clients for: those who agree in them have the same routes. */
export function sourceLabelKeys(config: PushConfig): ReadonlySet<string> {
  const known = keysOfConfig.get(config);
  if (known !== undefined) return known;
  // The load balancing of a destination may want its requests hashed.
  const keys = new Set(config.destinationRules.selectorLabels);
  for (const { spec } of config.virtualServices.all) {
    for (const { match = [] } of [...(spec.http ?? []), ...(spec.tls ?? []), ...(spec.tcp ?? [])]) {
      for (const { sourceLabels = {} } of match) for (const key of Object.keys(sourceLabels)) keys.add(key);
    }
  }
  for (const { spec } of [...config.rateLimits.values()].flat()) {
    for (const key of Object.keys(spec.sourceLabels ?? {})) keys.add(key);
  }
  for (const key of config.sidecars.labelKeys) keys.add(key);
  keysOfConfig.set(config, keys);
  return keys;
}

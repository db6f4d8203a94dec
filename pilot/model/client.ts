/** The sidecar that asks, as far as rules look at it. */
import { isIntercepted } from '../../proxy/api/interception.ts';
import { isGateway, type NodeMetadata } from '../../proxy/api/node.ts';
import type { Locality } from './locality.ts';
import { type Labels, placeOf } from './workload.ts';

export interface Client {
  readonly namespace: string;
  /** At least those that some rule selects by; none when no rule does. */
  readonly labels?: Labels;
  /** Connections of its application are intercepted; undefined: they are addressed to it. */
  readonly isIntercepted?: true;
  /** It has no application, and takes whatever its Gateways say. */
  readonly isGateway?: true;
  /** It is no proxy of Heddle's. */
  readonly isEnvoy?: true;
}

/** Endpoints also depend on where their client runs. */
export interface LocatedClient extends Client {
  readonly locality: Locality;
}

/** With those labels only that `keys` names, so that clients who differ in others share what is made for them. */
export function clientOf(node: NodeMetadata, keys: ReadonlySet<string>): Client {
  const { labels } = placeOf(node);
  const selected = [...keys].flatMap((key) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    return value === undefined ? [] : [[key, value] as const];
  });
  const interception = isIntercepted(node) ? ({ isIntercepted: true } as const) : {};
  const edge = isGateway(node) ? ({ isGateway: true } as const) : {};
  const stranger = node.isEnvoy === true ? ({ isEnvoy: true } as const) : {};
  return { namespace: node.namespace, labels: Object.fromEntries(selected), ...interception, ...edge, ...stranger };
}

export function locatedClientOf(node: NodeMetadata, keys: ReadonlySet<string>): LocatedClient {
  return { ...clientOf(node, keys), locality: placeOf(node).locality };
}

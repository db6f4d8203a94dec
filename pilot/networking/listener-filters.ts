/** What looks at an intercepted connection before a filter chain is chosen. */
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  FilterChain,
  Listener,
  ListenerFilter,
  ListenerFilterChainMatchPredicate,
} from '../../proxy/api/envoy.gen.ts';

export const originalDestinationFilter: ListenerFilter = {
  name: 'envoy.filters.listener.original_dst',
  typed_config: { '@type': typeUrlOf('envoy.extensions.filters.listener.original_dst.v3.OriginalDst') },
};

/** Mark of the sidecar's calls in the name of callers: the firewall leads the answers back to it (Istio's number). */
const transparentMark = 1337;

export const originalSourceFilter: ListenerFilter = {
  name: 'envoy.filters.listener.original_src',
  typed_config: {
    '@type': typeUrlOf('envoy.extensions.filters.listener.original_src.v3.OriginalSrc'),
    mark: transparentMark,
  },
};

const tlsInspector: ListenerFilter = {
  name: 'envoy.filters.listener.tls_inspector',
  typed_config: { '@type': typeUrlOf('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector') },
};

const httpInspector: ListenerFilter = {
  name: 'envoy.filters.listener.http_inspector',
  typed_config: { '@type': typeUrlOf('envoy.extensions.filters.listener.http_inspector.v3.HttpInspector') },
};

/** How long a server that speaks first waits for its client's silence to be noticed. */
const inspectionTimeout = '0.05s';

type Inspection = Pick<
  Listener,
  'listener_filters' | 'listener_filters_timeout' | 'continue_on_listener_filters_timeout'
>;

export interface InspectionPlan {
  readonly chains: readonly FilterChain[];
  /** Before those that inspect. */
  readonly first?: readonly ListenerFilter[];
  /** Ports of the listener at which servers may speak first: nobody waits there for a client to be looked at. */
  readonly uninspectedPorts?: readonly number[];
}

/**
 * What the chains of a listener need to know. TLS and HTTP clients speak first; without HTTP nobody else comes, and there is
 * no limit, as in Istio.
 */
export function buildInspection({ chains, first = [], uninspectedPorts = [] }: InspectionPlan): Inspection {
  const matches = chains.map(({ filter_chain_match = {} }) => filter_chain_match);
  const looksAtHttp = matches.some(({ application_protocols = [] }) => application_protocols.length > 0);
  const looksAtTls = matches.some(
    ({ server_names = [], transport_protocol }) => server_names.length > 0 || transport_protocol === 'tls',
  );
  const listener_filters = [
    ...first,
    ...(looksAtTls ? [tlsInspector] : []),
    ...(looksAtHttp ? [inspectHttpExceptAt(uninspectedPorts)] : []),
  ];
  if (!looksAtHttp && !looksAtTls) return first.length === 0 ? {} : { listener_filters };
  return {
    listener_filters,
    listener_filters_timeout: looksAtHttp ? inspectionTimeout : '0s',
    continue_on_listener_filters_timeout: true,
  };
}

function inspectHttpExceptAt(ports: readonly number[]): ListenerFilter {
  const rules = ports.map((port): ListenerFilterChainMatchPredicate => {
    return { destination_port_range: { start: port, end: port + 1 } };
  });
  const [only] = rules;
  if (only === undefined) return httpInspector;
  // Envoy wants two rules at least in a disjunction.
  return { ...httpInspector, filter_disabled: rules.length === 1 ? only : { or_match: { rules } } };
}

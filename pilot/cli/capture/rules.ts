/**
 * The rules that lead a pod's traffic through its sidecar, as values; `backend/` writes them for nft or iptables. What is captured
 * and what is not follows istio-iptables, so that one set of expectations holds for both.
 */
import { proxyPorts, type CaptureOptions, type IpRange } from './capture-options.ts';

/** What happens to a packet; `return` leaves it as it is. */
export type Statement =
  | { readonly kind: 'return' }
  | { readonly kind: 'redirect'; readonly port: number }
  /** To a transparent socket; the packet is marked and no later rule sees it. */
  | { readonly kind: 'tproxy'; readonly family: 'ip' | 'ip6'; readonly port: number; readonly mark: number }
  | { readonly kind: 'set mark'; readonly mark: number }
  /** Gives the mark of the packet to its connection, then as `return`. */
  | { readonly kind: 'save mark' }
  | { readonly kind: 'restore mark' }
  /** Of connection tracking; then as `return`. */
  | { readonly kind: 'set zone'; readonly zone: number };

/** All of a rule's conditions must hold; a packet that has no such field does not meet the condition, negated or not. */
export interface Condition {
  /** In nft's words: `tcp dport`. */
  readonly field: string;
  readonly isNegated?: boolean;
  /** One of them. */
  readonly values: readonly (string | number)[];
}

export interface Rule {
  /** Why, for whoever lists the rules. */
  readonly comment: string;
  readonly conditions: readonly Condition[];
  readonly statement: Statement;
}

/** The kernel's tables, called at these moments: raw before connection tracking, mangle before nat. */
export type Table = 'raw' | 'mangle' | 'nat';
export type Hook = 'prerouting' | 'output';

export interface Chain {
  readonly name: string;
  readonly table: Table;
  readonly hook: Hook;
  readonly rules: readonly Rule[];
}

/** On packets that belong to the proxy's transparent sockets: the route table of the same family delivers them here. */
export const tproxyMark = 1337;
/** On the proxy's calls to its own pod: they arrive through loopback, where nothing else is captured. */
const selfCallMark = 1338;

/** The proxy calls the application from these where it keeps the destination's address (Istio's choice). */
const passthroughSources = { ip: '127.0.0.6', ip6: '::6' };
const loopback = { ip: '127.0.0.1', ip6: '::1' };
const families = ['ip', 'ip6'] as const;

const tcp: Condition = { field: 'meta l4proto', values: ['tcp'] };
const dnsPort = 53;

const leaveAlone: Statement = { kind: 'return' };

export function buildChains(options: CaptureOptions): readonly Chain[] {
  const isTransparent = options.interceptionMode === 'TPROXY';
  const chains = [
    ...(isTransparent ? transparentChains(options) : [redirectInbound(options)]),
    redirectOutbound(options),
    ...(options.redirectDns ? dnsZones(options) : []),
  ];
  return chains.filter(({ rules }) => rules.length > 0);
}

function redirectInbound(options: CaptureOptions): Chain {
  const { include, exclude } = inboundPorts(options);
  const rules =
    include === undefined
      ? []
      : [
          ...excludedInterfaces(options, 'iifname'),
          ...exclude,
          rule('calls to the application', [tcp, ...include], { kind: 'redirect', port: options.inboundPort }),
        ];
  return { name: 'inbound', table: 'nat', hook: 'prerouting', rules };
}

interface InboundPorts {
  /** Undefined: none is captured. */
  readonly include: readonly Condition[] | undefined;
  readonly exclude: readonly Rule[];
}

function inboundPorts({ includeInboundPorts: included, excludeInboundPorts }: CaptureOptions): InboundPorts {
  if (included !== '*')
    return { include: included.length === 0 ? undefined : oneOf('tcp dport', included), exclude: [] };
  const excluded = [...new Set([...proxyPorts, ...excludeInboundPorts])];
  return { include: [], exclude: [rule('excluded inbound ports', oneOf('tcp dport', excluded), leaveAlone)] };
}

function redirectOutbound(options: CaptureOptions): Chain {
  const { excludeOutboundPorts, redirectDns, includeOutboundIpRanges } = options;
  const includesLoopback = includeOutboundIpRanges !== '*' && includeOutboundIpRanges.some((range) => range.isLoopback);
  const rules = [
    ...excludedInterfaces(options, 'oifname'),
    ...portRules('excluded outbound ports', 'tcp dport', excludeOutboundPorts, leaveAlone),
    // Nothing else of UDP is captured.
    ...(redirectDns ? portRules('excluded outbound ports', 'udp dport', excludeOutboundPorts, leaveAlone) : []),
    ...passthroughReturns('oifname'),
    ...redirectSelfCalls(options),
    ...owners(options).map((owner) => rule("the proxy's own traffic", [owner], leaveAlone)),
    ...(redirectDns ? redirectDnsQueries(options) : []),
    ...(includesLoopback ? [] : [rule('the pod calls itself', oneOf('oifname', ['lo']), leaveAlone)]),
    ...families.map((family) => rule('loopback', oneOf(`${family} daddr`, [loopback[family]]), leaveAlone)),
    ...includedDestinations(options),
  ];
  return { name: 'outbound', table: 'nat', hook: 'output', rules };
}

/** The last rules: what is left unmarked by them is not captured. */
function includedDestinations(options: CaptureOptions): readonly Rule[] {
  const statement: Statement = { kind: 'redirect', port: options.outboundPort };
  const { includeOutboundIpRanges: included, includeOutboundPorts } = options;
  return [
    ...options.excludeOutboundIpRanges.map((range) => rule('excluded outbound range', [toRange(range)], leaveAlone)),
    ...portRules('included outbound ports', 'tcp dport', includeOutboundPorts, statement),
    ...(included === '*'
      ? [rule('calls of the application', [tcp], statement)]
      : included.map((range) => rule('included outbound range', [toRange(range), tcp], statement))),
  ];
}

/**
 * The application calls its own service and the outbound side chooses this very pod: the call passes the inbound side
 * too. With TPROXY `markSelfCalls` does it.
 */
function redirectSelfCalls(options: CaptureOptions): readonly Rule[] {
  if (options.interceptionMode === 'TPROXY') return [];
  // The DNS proxy may ask a resolver of the pod itself.
  const notDns: readonly Condition[] = options.redirectDns
    ? [{ field: 'tcp dport', isNegated: true, values: [dnsPort] }]
    : [];
  return selfCalls(options, [tcp, ...notDns], { kind: 'redirect', port: options.inboundPort });
}

function selfCalls(options: CaptureOptions, conditions: readonly Condition[], statement: Statement): readonly Rule[] {
  return families.flatMap((family) =>
    owners(options).map((owner) =>
      rule(
        'the proxy calls its own pod',
        [...oneOf('oifname', ['lo']), noneOf(`${family} daddr`, loopback[family]), ...conditions, owner],
        statement,
      ),
    ),
  );
}

function redirectDnsQueries({ dnsPort: to }: CaptureOptions): readonly Rule[] {
  return ['udp dport', 'tcp dport'].flatMap((field) =>
    portRules('queries of the application', field, [dnsPort], { kind: 'redirect', port: to }),
  );
}

/**
 * The kernel keeps queries of the application and those that the proxy asks for them apart, even when both come from the
 * same port: each kind has its own connection tracking zone.
 */
function dnsZones(options: CaptureOptions): readonly Chain[] {
  const proxyZone: Statement = { kind: 'set zone', zone: 1 };
  const applicationZone: Statement = { kind: 'set zone', zone: 2 };
  const outbound = owners(options).flatMap((owner) => [
    rule('queries of the proxy', [...oneOf('udp dport', [dnsPort]), owner], proxyZone),
    rule('answers of the proxy', [...oneOf('udp sport', [options.dnsPort]), owner], applicationZone),
  ]);
  return [
    {
      name: 'dns-zones-out',
      table: 'raw',
      hook: 'output',
      rules: [...outbound, rule('queries of the application', oneOf('udp dport', [dnsPort]), applicationZone)],
    },
    {
      name: 'dns-zones-in',
      table: 'raw',
      hook: 'prerouting',
      rules: [rule('answers to the proxy', oneOf('udp sport', [dnsPort]), proxyZone)],
    },
  ];
}

/** What arrives is handed to the proxy's transparent listener with both of its addresses as they are. */
function transparentChains(options: CaptureOptions): readonly Chain[] {
  const { include, exclude } = inboundPorts(options);
  if (include === undefined) return [];
  const inbound = [
    ...excludedInterfaces(options, 'iifname'),
    rule('remember whose answers lead to the proxy', [tcp, marked(tproxyMark)], { kind: 'save mark' }),
    ...passthroughReturns('iifname'),
    rule('the pod calls itself', [...oneOf('iifname', ['lo']), noneOf('meta mark', selfCallMark)], leaveAlone),
    ...exclude,
    ...families.map((family) =>
      rule('calls to the application', [tcp, ...include, noneOf(`${family} daddr`, loopback[family])], {
        kind: 'tproxy',
        family,
        port: options.inboundPort,
        mark: tproxyMark,
      }),
    ),
  ];
  const outbound = [
    ...excludedInterfaces(options, 'oifname'),
    rule('the proxy calls the application', [...oneOf('oifname', ['lo']), tcp, marked(tproxyMark)], leaveAlone),
    ...selfCalls(options, [tcp], { kind: 'set mark', mark: selfCallMark }),
    rule('answers lead to the proxy', [tcp, { field: 'ct mark', values: [tproxyMark] }], { kind: 'restore mark' }),
  ];
  return [
    { name: 'inbound', table: 'mangle', hook: 'prerouting', rules: inbound },
    { name: 'marks', table: 'mangle', hook: 'output', rules: outbound },
  ];
}

function passthroughReturns(interfaceField: string): readonly Rule[] {
  return families.map((family) =>
    rule(
      'the proxy calls the application at its own address',
      [...oneOf(interfaceField, ['lo']), ...oneOf(`${family} saddr`, [passthroughSources[family]])],
      leaveAlone,
    ),
  );
}

function excludedInterfaces({ excludeInterfaces }: CaptureOptions, field: string): readonly Rule[] {
  return excludeInterfaces.length === 0
    ? []
    : [rule('excluded interfaces', oneOf(field, excludeInterfaces), leaveAlone)];
}

function portRules(comment: string, field: string, ports: readonly number[], statement: Statement): readonly Rule[] {
  return ports.length === 0 ? [] : [rule(comment, oneOf(field, ports), statement)];
}

/** A packet is the proxy's when one of them holds. */
function owners({ proxyUid, proxyGid }: CaptureOptions): readonly Condition[] {
  return [
    { field: 'meta skuid', values: proxyUid },
    { field: 'meta skgid', values: proxyGid },
  ];
}

function toRange({ family, cidr }: IpRange): Condition {
  return { field: `${family} daddr`, values: [cidr] };
}

function marked(mark: number): Condition {
  return { field: 'meta mark', values: [mark] };
}

function oneOf(field: string, values: readonly (string | number)[]): readonly Condition[] {
  return [{ field, values }];
}

function noneOf(field: string, value: string | number): Condition {
  return { field, isNegated: true, values: [value] };
}

function rule(comment: string, conditions: readonly Condition[], statement: Statement): Rule {
  return { comment, conditions, statement };
}

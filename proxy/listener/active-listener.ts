/**
 * One listener: its sockets, unless others hand connections over to it, and the filter chains that serve them. A changed
 * filter chain applies to connections accepted afterwards; the sockets and unchanged chains stay.
 */
import type net from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { SocketAddress } from '../api/address-decoder.ts';
import { type FilterChain, type Inspector, type Listener, listenerAddressesOf } from '../api/listener.ts';
import type { Clock } from '../common/clock.ts';
import type { Accepted, SocketHandler } from '../common/socket.ts';
import { type TimeSource, timeSourceOf } from '../http/stream-info.ts';
import type { ConnectionChecks } from './connection-checks.ts';
import type { ConnectionLimit } from './connection-limit.ts';
import { factsOf, inNameOfClient } from './connection-facts.ts';
import { type ConnectionFacts, type FilterChainMatcher, matcherOf } from './filter-chain-match.ts';
import { type Inspected, InspectingConnection, type InspectionPlan } from './inspecting-connection.ts';
import { ListenerSockets } from './listener-sockets.ts';
import type { ListenerStats } from './listener-stats.ts';
import { type ConnectionObserver, LoggedConnection } from './logged-connection.ts';
import type { AcceptedConnection, ActiveNetworkFilter, ServedConnection } from './network-filter.ts';
import type { DownstreamTlsContext } from '../tls/downstream-tls.ts';
import type { ListenerComponentFactory } from './listener-component-factory.ts';
import { compilePortPredicate } from './port-predicate.ts';
import { TlsConnection } from './tls-connection.ts';
import type { Opened, ServingListener } from './serving-listener.ts';
import { ServerFirstDestinations } from './server-first-destinations.ts';

export interface ActiveListenerDependencies {
  readonly clock: Clock;
  readonly stats: ListenerStats;
  readonly components: Pick<ListenerComponentFactory, 'createFilter' | 'createTls' | 'createAccessLogs'>;
  /** Undefined where a chain serves everybody. */
  readonly createChecks: (chain: FilterChain) => ConnectionChecks | undefined;
  /** Undefined: as many connections as come. */
  readonly connectionLimit?: ConnectionLimit | undefined;
  /** The listener for connections to this address; undefined when they are nobody's. */
  readonly listenerFor: (address: string, port: number) => ActiveListener | undefined;
}

interface ServedChain {
  readonly config: FilterChain;
  readonly checks: ConnectionChecks | undefined;
  readonly filter: ActiveNetworkFilter;
  readonly tls: DownstreamTlsContext | undefined;
}

interface Inspects {
  readonly tls: (port: number) => boolean;
  readonly http: (port: number) => boolean;
}

export class ActiveListener implements ServingListener {
  readonly #dependencies: ActiveListenerDependencies;
  readonly #sockets: ListenerSockets;
  readonly #timeSource: TimeSource;
  readonly #serverFirst = new ServerFirstDestinations();
  #config: Listener;
  #chains: readonly ServedChain[] = [];
  #matcher: FilterChainMatcher<ServedChain>;
  #inspects: Inspects;
  #accessLogs: readonly ConnectionObserver[];
  /** Filters of earlier versions that still have connections. */
  #retired: ActiveNetworkFilter[] = [];
  /** Connections accepted while the listener is warming, not read yet; undefined once it is warm. */
  #waiting: (() => void)[] | undefined = [];

  constructor(config: Listener, dependencies: ActiveListenerDependencies) {
    this.#config = config;
    this.#dependencies = dependencies;
    this.#timeSource = timeSourceOf(dependencies.clock);
    this.#matcher = this.#createChains(config);
    this.#inspects = compileInspection(config);
    this.#accessLogs = dependencies.components.createAccessLogs(config);
    this.#sockets = new ListenerSockets(config);
  }

  get config(): Listener {
    return this.#config;
  }

  get addresses(): SocketAddress[] {
    return this.#config.bindsToPort ? this.#sockets.bound : listenerAddressesOf(this.#config);
  }

  get port(): number {
    return this.addresses[0]?.port ?? this.#config.port;
  }

  start(): Promise<Opened> {
    return this.#sockets.open({ accept: (socket) => this.#accept(socket) });
  }

  // ---- connections ----

  #accept(socket: net.Socket): Accepted | undefined {
    const { connectionLimit, stats } = this.#dependencies;
    if (connectionLimit !== undefined && !connectionLimit.admit(socket)) {
      stats.globalOverflow.value += 1;
      return undefined;
    }
    const facts = factsOf(socket, this.#config);
    const { usesOriginalDestination } = this.#config;
    const owner = usesOriginalDestination
      ? this.#dependencies.listenerFor(facts.destinationAddress, facts.destinationPort)
      : undefined;
    return (owner ?? this).serve(socket, facts);
  }

  /** A connection of its own socket or one that was handed over; undefined when no filter chain serves it. */
  serve(socket: net.Socket, arrived: ConnectionFacts): Accepted | undefined {
    const facts = inNameOfClient(arrived, this.#config);
    const observers = this.#accessLogs;
    const timeSource = this.#timeSource;
    const log = observers.length === 0 ? undefined : new LoggedConnection(socket, facts, { observers, timeSource });
    const plan = this.#planInspection(facts);
    const connection = { socket, facts, isLogged: log !== undefined };
    const handler = plan === undefined ? this.#hand(connection, log) : this.#inspect(connection, plan, log);
    if (handler === undefined) {
      log?.finish();
      return undefined;
    }
    return {
      handler: log === undefined ? handler : log.around(handler),
      whenWarm: (startReading) => {
        if (this.#waiting === undefined) startReading();
        else this.#waiting.push(startReading);
      },
    };
  }

  /** Undefined: whoever serves the connection is known before its first byte. */
  #planInspection(facts: ConnectionFacts): InspectionPlan | undefined {
    const { timeoutMs, continuesOnTimeout } = this.#config.inspection;
    const tls = this.#inspects.tls(facts.destinationPort);
    const http = this.#inspects.http(facts.destinationPort);
    if ((!tls && !http) || this.#serverFirst.has(facts)) return undefined;
    return { tls, http, timeoutMs, continuesOnTimeout };
  }

  #inspect(connection: AcceptedConnection, plan: InspectionPlan, log: LoggedConnection | undefined): SocketHandler {
    const { socket, facts } = connection;
    const { clock, stats } = this.#dependencies;
    stats.preConnectionsActive.value += 1;
    const onGone = (): void => void (stats.preConnectionsActive.value -= 1);
    const onInspected = ({ isSilent, ...found }: Inspected): SocketHandler | undefined => {
      onGone();
      if (plan.http) (found.applicationProtocols.length > 0 ? stats.httpFound : stats.httpNotFound).value += 1;
      if (isSilent) stats.inspectionTimeouts.value += 1;
      const onServerFirst = isSilent ? () => this.#serverFirst.add(facts) : undefined;
      const handler = this.#hand({ ...connection, facts: { ...facts, ...found }, onServerFirst }, log);
      if (handler === undefined) socket.destroy();
      return handler;
    };
    const onRefused = (): void => {
      onGone();
      stats.inspectionTimeouts.value += 1;
      socket.destroy();
    };
    return new InspectingConnection(socket, plan, { onInspected, onRefused, onGone }, clock);
  }

  #hand(connection: AcceptedConnection, log: LoggedConnection | undefined): SocketHandler | undefined {
    const { stats } = this.#dependencies;
    const chain = this.#matcher.find(connection.facts);
    (chain === undefined ? stats.noFilterChainMatch : stats.connections).value += 1;
    const denial = chain?.checks?.denialOf(connection.facts);
    const served = chain === undefined || denial !== undefined ? undefined : serveBy(chain, connection);
    if (log !== undefined && denial !== undefined) log.terminationDetails = denial;
    log?.onHanded(connection.facts, served);
    return served;
  }

  // ---- versions ----

  /** Chains that are as they were keep their filters and certificates, and with them what those know and count. */
  #createChains(config: Listener): FilterChainMatcher<ServedChain> {
    const mayKeep = config.trafficDirection === this.#config.trafficDirection;
    const previous = mayKeep ? this.#chains : [];
    const chains: ServedChain[] = [];
    const matcher = matcherOf(config.filterChains, config.defaultFilterChain, (chain) => {
      const known = [...previous, ...chains];
      const filter = known.find((each) => isDeepStrictEqual(each.config.filter, chain.filter))?.filter;
      const tls = known.find((each) => isDeepStrictEqual(each.config.tls, chain.tls))?.tls;
      const served = {
        config: chain,
        checks: this.#dependencies.createChecks(chain),
        filter: filter ?? this.#dependencies.components.createFilter(config, chain),
        tls: chain.tls && (tls ?? this.#dependencies.components.createTls(config, chain.tls)),
      };
      chains.push(served);
      return served;
    });
    this.#chains = chains;
    return matcher;
  }

  get isWarm(): boolean {
    return this.#waiting === undefined;
  }

  /** Its routes are there: serves what has connected meanwhile, and everybody from now on. */
  warm(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const startReading of waiting) startReading();
  }

  /**
   * Takes over a new version for connections to come. Open connections of chains that changed go on with the old ones and
   * are asked to reconnect in their next response: closing an idle one would race with a request that is on its way.
   */
  update(config: Listener): void {
    const previous = this.#filters();
    const previousTls = this.#chains.flatMap(({ tls }) => tls ?? []);
    this.#matcher = this.#createChains(config);
    this.#inspects = compileInspection(config);
    this.#accessLogs = this.#dependencies.components.createAccessLogs(config);
    this.#config = config;
    for (const tls of previousTls) if (!this.#chains.some((chain) => chain.tls === tls)) tls.close();
    const current = new Set(this.#filters());
    const replaced = previous.filter((filter) => !current.has(filter));
    for (const filter of replaced) filter.announceDrain();
    this.#retired = [...this.#retired, ...replaced].filter((filter) => filter.connectionCount > 0);
  }

  #filters(): ActiveNetworkFilter[] {
    return [...new Set(this.#chains.map(({ filter }) => filter))];
  }

  #allFilters(): ActiveNetworkFilter[] {
    return [...this.#filters(), ...this.#retired];
  }

  // ---- the end ----

  /** Still accepts, but every response asks to reconnect. */
  announceDrain(): void {
    for (const filter of this.#allFilters()) filter.announceDrain();
  }

  /** Stops accepting; idle connections close now, busy ones after their request. */
  stopAccepting(): void {
    this.#sockets.close();
    for (const filter of this.#allFilters()) filter.drain();
  }

  get connectionCount(): number {
    return this.#allFilters().reduce((sum, filter) => sum + filter.connectionCount, 0);
  }

  close(): void {
    this.stopAccepting();
    for (const filter of this.#allFilters()) filter.close();
    for (const { tls } of this.#chains) tls?.close();
  }
}

function compileInspection({ inspection }: Listener): Inspects {
  return { tls: compileInspector(inspection.tls), http: compileInspector(inspection.http) };
}

function compileInspector(inspector: Inspector | undefined): (port: number) => boolean {
  if (inspector === undefined) return () => false;
  const { disabledAt } = inspector;
  if (disabledAt === undefined) return () => true;
  const isDisabled = compilePortPredicate(disabledAt);
  return (port) => !isDisabled(port);
}

function serveBy({ tls, filter }: ServedChain, connection: AcceptedConnection): ServedConnection {
  return tls === undefined ? filter.accept(connection) : new TlsConnection(connection, tls, filter);
}

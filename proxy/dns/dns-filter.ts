/** Answers questions: from the table, or with what resolvers say. Knows nothing of sockets on the asking side. */
import type { SocketAddress } from '../api/address-decoder.ts';
import type { DnsFilterConfig } from '../api/dns-filter.ts';
import type { Clock } from '../common/clock.ts';
import type { StatsStore } from '../common/stats.ts';
import { answerLimit, type OwnAnswer, relayAnswer, writeAnswer, writeRefusal } from './answer.ts';
import { DnsStats } from './dns-stats.ts';
import { Forwarder } from './forwarder.ts';
import {
  type AddressType,
  classInternet,
  type DnsQuery,
  isAddressType,
  readQuery,
  recordTypes,
  responseCodes,
} from './message.ts';
import { type NameEntry, NameTable } from './name-table.ts';
import type { SystemResolvers } from './system-resolvers.ts';

export interface DnsFilterDependencies {
  readonly clock: Clock;
  readonly stats: StatsStore;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly system: SystemResolvers;
  /** Whether asking there would be asking this proxy. */
  readonly isOwnAddress: (server: SocketAddress) => boolean;
}

export interface DnsClient {
  readonly transport: 'udp' | 'tcp';
  /** Called once per message, at once or later; undefined: it gets no answer. */
  onAnswer(answer: Buffer | undefined): void;
}

export class DnsFilter {
  readonly stats: DnsStats;
  readonly #random: () => number;
  readonly #names: NameTable;
  readonly #forwarder: Forwarder | undefined;

  constructor(config: DnsFilterConfig, { clock, stats, random, system, isOwnAddress }: DnsFilterDependencies) {
    this.stats = new DnsStats(stats, config.statPrefix);
    this.#random = random;
    this.#names = new NameTable(config.virtualDomains, system.searchDomains);
    const { forwarding } = config;
    if (forwarding === undefined) return;
    const known = forwarding.resolvers.length > 0 ? forwarding.resolvers : system.servers;
    const servers = known.filter((server) => !isOwnAddress(server));
    this.#forwarder = new Forwarder({ ...forwarding, servers, clock, stats: this.stats });
  }

  get pendingCount(): number {
    return this.#forwarder?.pendingCount ?? 0;
  }

  /** `message` is the caller's no more. */
  handle(message: Buffer, client: DnsClient): void {
    this.stats.queries.value += 1;
    const read = readQuery(message);
    if (read.kind === 'query') {
      this.#answer(read.query, client);
      return;
    }
    this.stats.invalidQueries.value += 1;
    this.#send(client, read.kind === 'invalid' ? writeRefusal(message, read.code) : undefined);
  }

  #answer(query: DnsQuery, client: DnsClient): void {
    const { name, type, class: questionClass } = query.question;
    if (isAddressType(type)) (type === recordTypes.A ? this.stats.aQueries : this.stats.aaaaQueries).value += 1;
    const found = questionClass === classInternet ? this.#names.find(name) : undefined;
    // Of its names the table knows the addresses, and no more.
    if (found === undefined) return this.#forward(query, client);
    if (found !== 'expanded' && !isAddressType(type)) return this.#forward(query, client);
    this.#reply(query, client, this.#ownAnswer(query, found));
  }

  #ownAnswer({ question: { type }, edns }: DnsQuery, found: NameEntry | 'expanded'): Partial<OwnAnswer> {
    // RFC 6891 section 6.1.3: what a later version means is not known here.
    if (edns !== undefined && edns.version > 0) return { code: responseCodes.badVersion };
    if (found === 'expanded' || !isAddressType(type)) {
      this.stats.expandedQueries.value += 1;
      return { code: responseCodes.nameError, isAuthoritative: true };
    }
    this.stats.knownDomainQueries.value += 1;
    return { records: this.#recordsOf(found, type), isAuthoritative: true };
  }

  /** Beginning anywhere, for many take the first. */
  #recordsOf(entry: NameEntry, type: AddressType): readonly Buffer[] {
    const records = entry.recordsOf(type);
    const answers = type === recordTypes.A ? this.stats.localAAnswers : this.stats.localAaaaAnswers;
    answers.value += records.length;
    if (records.length < 2) return records;
    const first = Math.floor(this.#random() * records.length);
    return [...records.slice(first), ...records.slice(0, first)];
  }

  #forward(query: DnsQuery, client: DnsClient): void {
    // Envoy's answer, where the table is all there is.
    if (this.#forwarder === undefined) return this.#reply(query, client, { code: responseCodes.nameError });
    this.#forwarder.forward(query, client.transport, (answer) => {
      if (answer === undefined) {
        this.stats.unanswered.value += 1;
        this.#reply(query, client, { code: responseCodes.serverFailure });
        return;
      }
      this.stats.externallyResolved.value += 1;
      this.#send(client, relayAnswer(query, answer, answerLimit(query, client.transport)));
    });
  }

  #reply(query: DnsQuery, client: DnsClient, answer: Partial<OwnAnswer>): void {
    const whole: OwnAnswer = {
      code: responseCodes.noError,
      records: [],
      isAuthoritative: false,
      isRecursionAvailable: this.#forwarder !== undefined,
      ...answer,
    };
    this.#send(client, writeAnswer(query, whole, answerLimit(query, client.transport)));
  }

  #send(client: DnsClient, answer: Buffer | undefined): void {
    if (answer !== undefined) this.stats.responses.value += 1;
    client.onAnswer(answer);
  }

  /** Who waits for a resolver hears that there is no answer. */
  close(): void {
    this.#forwarder?.close();
  }
}

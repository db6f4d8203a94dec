/** Statistics of a DNS filter, under Envoy's names where Envoy has one. */
import type { Stat, StatsStore } from '../common/stats.ts';

export class DnsStats {
  readonly queries: Stat;
  readonly invalidQueries: Stat;
  readonly responses: Stat;
  readonly aQueries: Stat;
  readonly aaaaQueries: Stat;
  /** About names of the table. */
  readonly knownDomainQueries: Stat;
  readonly localAAnswers: Stat;
  readonly localAaaaAnswers: Stat;
  /** About names of the table with a search domain appended. */
  readonly expandedQueries: Stat;
  readonly externallyResolved: Stat;
  /** Forwarded, and no resolver had a good answer in time. */
  readonly unanswered: Stat;
  /** Not forwarded: too many were waiting. */
  readonly overflow: Stat;
  /** What came from a resolver's address and was no answer to the question that it got. */
  readonly mismatchedAnswers: Stat;
  readonly tcpConnections: Stat;
  /** Closed at once: too many were open. */
  readonly tcpOverflow: Stat;

  constructor(stats: StatsStore, statPrefix: string) {
    const counter = (name: string): Stat => stats.counter(`dns_filter.${statPrefix}.${name}`);
    this.queries = counter('downstream_rx_queries');
    this.invalidQueries = counter('downstream_rx_invalid_queries');
    this.responses = counter('downstream_tx_responses');
    this.aQueries = counter('a_record_queries');
    this.aaaaQueries = counter('aaaa_record_queries');
    this.knownDomainQueries = counter('known_domain_queries');
    this.localAAnswers = counter('local_a_record_answers');
    this.localAaaaAnswers = counter('local_aaaa_record_answers');
    this.expandedQueries = counter('expanded_name_queries');
    this.externallyResolved = counter('externally_resolved_queries');
    this.unanswered = counter('unanswered_queries');
    this.overflow = counter('pending_lookups_overflow');
    this.mismatchedAnswers = counter('resolver_mismatched_answers');
    this.tcpConnections = counter('downstream_cx_total');
    this.tcpOverflow = counter('downstream_cx_overflow');
  }
}

/** Decodes `envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig` with the table that it holds. */
import { isIP } from 'node:net';
import { isHostName } from '../common/host-name.ts';
import type { DnsFilterConfig, DnsForwarding, DnsVirtualDomain } from './dns-filter.ts';
import { readServers } from './dns-decoder.ts';
import type {
  DnsFilterConfig as DnsFilterConfigJson,
  DnsFilterConfig_ClientContextConfig as ClientContextConfigJson,
  DnsTable as DnsTableJson,
  DnsTable_DnsVirtualDomain as DnsVirtualDomainJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { show } from './field-path.ts';

export function readDnsFilter(fields: Fields<DnsFilterConfigJson>): DnsFilterConfig {
  const table = fields.message('server_config')?.required('inline_dns_table');
  const retries = table?.number('external_retry_count', { defaultValue: 0, max: 3 }) ?? 0;
  const client = fields.message('client_config');
  return {
    statPrefix: fields.name('stat_prefix'),
    virtualDomains: table === undefined ? [] : readVirtualDomains(table),
    forwarding: client && readForwarding(client, retries),
  };
}

function readVirtualDomains(table: Fields<DnsTableJson>): DnsVirtualDomain[] {
  const domains = table.list('virtual_domains', readVirtualDomain);
  const names = new Set<string>();
  for (const { name } of domains) {
    if (names.has(name)) table.fail('virtual_domains', `must have each name once, got ${show(name)} again`);
    names.add(name);
  }
  return domains;
}

function readVirtualDomain(fields: Fields<DnsVirtualDomainJson>): DnsVirtualDomain {
  const text = fields.name('name');
  if (text !== '' && !isHostName(text.startsWith('*.') ? text.slice(2) : text)) {
    fields.fail('name', `must be a host name, or one under "*.", got ${show(text)}`);
  }
  return {
    name: text.toLowerCase().replace(/\.$/, ''),
    addresses: readAddresses(fields),
    ttlSeconds: readTtlSeconds(fields),
  };
}

function readAddresses(fields: Fields<DnsVirtualDomainJson>): readonly string[] {
  const list = fields.required('endpoint').required('address_list');
  const addresses = list.take('address') ?? [];
  if (addresses.length === 0) list.fail('address', 'must have at least one address');
  for (const address of addresses) {
    if (isIP(address) === 0 || address.includes('%')) {
      list.fail('address', `must be IP addresses, got ${show(address)}`);
    }
  }
  return addresses;
}

/** Whole seconds, as on the wire; the range of RFC 2181 section 8. */
function readTtlSeconds(fields: Fields<DnsVirtualDomainJson>): number {
  const seconds = Math.floor(fields.durationMs('answer_ttl', 300_000) / 1_000);
  const isValid = seconds >= 30 && seconds < 2 ** 31;
  if (!isValid) fields.fail('answer_ttl', `must be from 30s to ${2 ** 31 - 1}s, got ${show(`${seconds}s`)}`);
  return seconds;
}

function readForwarding(fields: Fields<ClientContextConfigJson>, retries: number): DnsForwarding {
  const resolver = fields.message('typed_dns_resolver_config');
  const timeoutMs = fields.durationMs('resolver_timeout', 500);
  if (fields.has('resolver_timeout') && timeoutMs < 1_000) {
    fields.fail('resolver_timeout', `must be at least 1s, got ${timeoutMs} ms`);
  }
  return {
    resolvers: resolver === undefined ? [] : readServers(resolver),
    timeoutMs,
    retries,
    maxPendingLookups: fields.number('max_pending_lookups', { defaultValue: 0, min: 1 }),
  };
}

/** Decodes `envoy.config.listener.v3.FilterChainMatch`. */
import { isIP } from 'node:net';
import type { CidrRange as CidrRangeJson, FilterChainMatch as FilterChainMatchJson } from './envoy.gen.ts';
import { show } from './field-path.ts';
import type { Fields } from './fields.ts';
import type { CidrRange, FilterChainMatch } from './listener.ts';

export const matchesEverything: FilterChainMatch = {
  destinationPort: undefined,
  destinationRanges: [],
  serverNames: [],
  transportProtocol: '',
  applicationProtocols: [],
  sourceRanges: [],
  sourcePorts: [],
};

export function readFilterChainMatch(fields: Fields<FilterChainMatchJson>): FilterChainMatch {
  const transportProtocol = fields.text('transport_protocol');
  if (transportProtocol !== '' && transportProtocol !== 'tls' && transportProtocol !== 'raw_buffer') {
    fields.fail('transport_protocol', `must be tls or raw_buffer, got ${show(transportProtocol)}`);
  }
  return {
    destinationPort: readPort(fields),
    destinationRanges: fields.list('prefix_ranges', readRange),
    serverNames: readServerNames(fields),
    transportProtocol: transportProtocol === 'tls' || transportProtocol === 'raw_buffer' ? transportProtocol : '',
    applicationProtocols: fields.take('application_protocols') ?? [],
    sourceRanges: fields.list('source_prefix_ranges', readRange),
    sourcePorts: fields.take('source_ports') ?? [],
  };
}

function readPort(fields: Fields<FilterChainMatchJson>): number | undefined {
  if (!fields.has('destination_port')) return undefined;
  return fields.number('destination_port', { defaultValue: 0, min: 1, max: 65_535 });
}

export function readRange(fields: Fields<CidrRangeJson>): CidrRange {
  const address = fields.name('address_prefix');
  const family = isIP(address);
  if (address !== '' && family === 0) fields.fail('address_prefix', `must be an IP address, got ${show(address)}`);
  const max = family === 6 ? 128 : 32;
  return { address, prefixLength: fields.number('prefix_len', { defaultValue: 0, max }) };
}

/** Only whole labels can be left open, as in Envoy. */
function readServerNames(fields: Fields<FilterChainMatchJson>): string[] {
  const names = (fields.take('server_names') ?? []).map((name) => name.toLowerCase());
  for (const name of names) {
    if (name.replace(/^\*\./, '').includes('*') || name === '') {
      fields.fail('server_names', `must be names or "*." and a name, got ${show(name)}`);
    }
  }
  return names;
}

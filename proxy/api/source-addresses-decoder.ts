/** Decodes `envoy.config.core.v3.BindConfig`: an address, and one of the other IP version beside it. */
import { isIPv6 } from 'node:net';
import { readIpAddress } from './address-decoder.ts';
import type { BindConfig as BindConfigJson, SocketAddress as SocketAddressJson } from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import type { SourceAddresses } from './source-addresses.ts';

export function readSourceAddresses(fields: Fields<BindConfigJson> | undefined): SourceAddresses | undefined {
  if (fields === undefined) return undefined;
  fields.only('freebind', false);
  const first = readSource(fields.required('source_address'));
  const others = fields.list('extra_source_addresses', (extra) => readSource(extra.required('address')));
  const isOther = (address: string): boolean => isIPv6(address) !== isIPv6(first);
  if (others.length > 1 || !others.every(isOther)) {
    fields.fail('extra_source_addresses', 'must be one address, of the other IP version');
  }
  const all = [first, ...others];
  return { ipv4: all.find((address) => !isIPv6(address)), ipv6: all.find((address) => isIPv6(address)) };
}

/** The system chooses the port: one for all would be one connection to each host. */
function readSource(socket: Fields<SocketAddressJson>): string {
  socket.only('port_value', 0);
  return readIpAddress(socket);
}

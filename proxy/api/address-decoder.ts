/** `envoy.config.core.v3.Address`: a socket on a literal IP address or, where names are looked up, on a name. */
import { isIP } from 'node:net';
import type { Address, SocketAddress as SocketAddressJson } from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { isHostName } from '../common/host-name.ts';
import { show } from './field-path.ts';

export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** `minPort` is 1 where somebody must be reached and 0 where the system may choose. */
export function decodeAddress(fields: Fields<Address>, minPort: 0 | 1, mayBeName = false): SocketAddress {
  return readSocketAddress(fields.required('socket_address'), minPort, mayBeName);
}

/** Where a listener binds: of TCP or, with `protocol: UDP`, of UDP. */
export function decodeListenAddress(
  fields: Fields<Address>,
  minPort: 0 | 1,
): SocketAddress & { readonly protocol: 'TCP' | 'UDP' } {
  const socket = fields.required('socket_address');
  return { protocol: socket.choice('protocol', ['TCP', 'UDP']), ...readSocketAddress(socket, minPort, false) };
}

function readSocketAddress(socket: Fields<SocketAddressJson>, minPort: 0 | 1, mayBeName: boolean): SocketAddress {
  const address = readIpAddress(socket, mayBeName);
  return { address, port: socket.number('port_value', { defaultValue: 0, min: minPort, max: 65_535 }) };
}

export function readIpAddress(socket: Fields<SocketAddressJson>, mayBeName = false): string {
  const address = socket.name('address');
  if (address !== '' && isIP(address) === 0 && !(mayBeName && isHostName(address))) {
    const expected = mayBeName ? 'an IP address or a host name' : 'an IP address';
    socket.fail('address', `must be ${expected}, got ${show(address)}`);
  }
  return address;
}

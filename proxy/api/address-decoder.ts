/** `envoy.config.core.v3.Address`: a TCP socket on a literal IP address or, where names are looked up, on a name. */
import { isIP } from 'node:net';
import type { Address } from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { isHostName } from '../common/host-name.ts';
import { show } from './field-path.ts';

export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** `minPort` is 1 where somebody must be reached and 0 where the system may choose. */
export function decodeAddress(fields: Fields<Address>, minPort: 0 | 1, mayBeName = false): SocketAddress {
  const socket = fields.required('socket_address');
  const address = socket.name('address');
  if (address !== '' && isIP(address) === 0 && !(mayBeName && isHostName(address))) {
    const expected = mayBeName ? 'an IP address or a host name' : 'an IP address';
    socket.fail('address', `must be ${expected}, got ${show(address)}`);
  }
  return { address, port: socket.number('port_value', { defaultValue: 0, min: minPort, max: 65_535 }) };
}

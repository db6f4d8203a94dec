/** Where listeners of gateways and for intercepted connections stand: at one address, or at every one of both families. */
import type { Listener } from '../../proxy/api/envoy.gen.ts';

export const anyAddress = '0.0.0.0';
const anyIPv6Address = '::';

type Addresses = Pick<Listener, 'address' | 'additional_addresses'>;

/**
 * `0.0.0.0` stands for IPv6 as well: captured connections of both families come to one port. Istio writes it so for
 * proxies with both.
 */
export function listenAt(address: string, port_value: number): Addresses {
  const at = (one: string) => ({ address: { socket_address: { address: one, port_value } } });
  return { ...at(address), ...(address === anyAddress ? { additional_addresses: [at(anyIPv6Address)] } : {}) };
}

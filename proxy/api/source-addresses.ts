/** From which addresses connections are made; Envoy's `BindConfig`. */
import { isIPv6 } from 'node:net';

/** At least one of the two. */
export interface SourceAddresses {
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
}

/** Where `address` is connected from. One of the other family is no way there: it fails, as in Envoy. */
export function sourceAddressFor(sources: SourceAddresses | undefined, address: string): string | undefined {
  if (sources === undefined) return undefined;
  const { ipv4, ipv6 } = sources;
  return isIPv6(address) ? (ipv6 ?? ipv4) : (ipv4 ?? ipv6);
}

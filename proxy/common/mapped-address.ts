/** How sockets of both families write the addresses of IPv4. */
export const mappedPrefix = '::ffff:';

/** An IPv4 address as such where a socket of both families shows it mapped (RFC 4291 §2.5.5.2); any other as it is. */
export function withoutMapping(address: string): string {
  return isMapped(address) ? address.slice(mappedPrefix.length) : address;
}

export function isMapped(address: string): boolean {
  return address.startsWith(mappedPrefix) && address.includes('.');
}

/** Where a request is addressed to. */

/** RFC 3986 §3.2: registered name, IPv4 or bracketed IPv6, then an optional port. No user information. */
export function isAuthority(text: string): boolean {
  return /^(?:[A-Za-z0-9\-._~!$&'()*+,;=%]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/.test(text);
}

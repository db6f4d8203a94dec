/** The grammar of names that may be asked a DNS server for. */

const label = '[A-Za-z0-9_](?:[-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?';
const hostName = new RegExp(`^(?=.{1,254}$)${label}(?:\\.${label})*\\.?$`);

/** RFC 1123 §2.1, with the underscore that names in use have; a dot at the end stands for the root. */
export function isHostName(text: string): boolean {
  return hostName.test(text);
}

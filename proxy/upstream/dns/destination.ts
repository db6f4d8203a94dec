/** Where a request wants to go by its own words. */
import { isIP } from 'node:net';
import { isHostName } from '../../common/host-name.ts';

export interface Destination {
  /** `name:port`, in lower case: what makes two destinations the same. */
  readonly key: string;
  /** A host name or an IP address, without brackets. */
  readonly name: string;
  readonly port: number;
}

/** RFC 9110 §4.2.1. */
const defaultPort = 80;

/** Of a request's authority (RFC 3986 §3.2.2, §3.2.3); undefined when it names no host that there could be. */
export function destinationOf(authority: string): Destination | undefined {
  const text = authority.toLowerCase();
  const portAt = /:\d{0,5}$/.exec(text)?.index ?? text.length;
  const host = text.slice(0, portAt);
  const port = Number(text.slice(portAt + 1) || defaultPort);
  const isBracketed = host.startsWith('[') && host.endsWith(']');
  const name = isBracketed ? host.slice(1, -1) : host;
  const isValid = isBracketed ? isIP(name) === 6 : isIP(name) === 4 || isHostName(name);
  if (!isValid || port < 1 || port > 65_535) return undefined;
  return { key: `${name}:${port}`, name, port };
}

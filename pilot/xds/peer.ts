/** Who is at the other end of a connection to the xDS server. */
import { BlockList, isIP } from 'node:net';

export interface Peer {
  /** For the log: `address:port`. */
  readonly name: string;
  /**
   * It has shown a certificate that the mesh's owner gave it, or runs on this very machine. Anybody else can say to be a
   * gateway, and is told no secrets.
   */
  readonly isTrusted: boolean;
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** `address`: as the library writes it, `192.0.2.1:4711` or `[::1]:4711`. `hasCertificate`: one that was verified. */
export function describePeer(address: string, hasCertificate: boolean): Peer {
  return { name: address, isTrusted: hasCertificate || isLoopback(address.slice(0, address.lastIndexOf(':'))) };
}

function isLoopback(bracketed: string): boolean {
  const address = bracketed.replace(/^\[|\]$/g, '').replace(/^::ffff:(?=[\d.]+$)/i, '');
  const family = isIP(address);
  return family !== 0 && loopback.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

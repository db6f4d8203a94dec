/** Exchanges that are cut at every byte: what the peers of the proxy send, as bytes, and how it is cut. */
import type { RawPeer } from '../../support/http2/raw-peer.ts';
import { turns } from '../../support/turns.ts';

export const cutNames = ['FIN', 'RST', 'RST in one go'] as const;
export type CutName = (typeof cutNames)[number];

/** Sends the first `at` bytes, and then goes away. */
export async function sendAndCut(peer: RawPeer, bytes: Buffer, at: number, name: CutName): Promise<void> {
  if (at > 0) peer.sendRaw(bytes.subarray(0, at));
  if (name !== 'RST in one go') await turns(3);
  if (name === 'FIN') peer.end();
  else peer.reset();
}

/** Where to cut: everywhere, or, of what is long, near every end and somewhere in between. */
export function cutOffsets(length: number): number[] {
  return Array.from({ length: length + 1 }, (_, at) => at);
}

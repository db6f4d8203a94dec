/** Sends without end, as fast as it is taken. */
import { turns, until } from './turns.ts';
import type { Socket } from 'node:net';

const pieceBytes = 262_144;

export interface FloodPlan {
  /** Repeated, latin1. */
  readonly filler: string;
  readonly totalBytes: number;
  /** Stop early. */
  readonly isOver: () => boolean;
}

/**
 * Writes until everything was taken, the peer has had enough, or it takes nothing for a while. Resolves with the bytes
 * that were handed to the kernel.
 */
export async function flood(socket: Socket, { filler, totalBytes, isOver }: FloodPlan): Promise<number> {
  const piece = Buffer.from(filler.repeat(Math.ceil(pieceBytes / filler.length)), 'latin1');
  let written = 0;
  while (written < totalBytes && !isOver() && socket.writable) {
    socket.write(piece);
    written += piece.length;
    const isTaken = await settles(() => socket.writableLength === 0 || isOver());
    if (!isTaken) break;
    await turns(1);
  }
  return written - socket.writableLength;
}

const stallMs = 500;

/** Whether `condition` comes true before everybody would call the peer stalled. */
async function settles(condition: () => boolean): Promise<boolean> {
  try {
    await until(condition, () => 'room', stallMs);
    return true;
  } catch {
    return false;
  }
}

/** What the listener manager asks of a listener, whatever it serves. */
import type { SocketAddress } from '../api/address-decoder.ts';
import type { Listener } from '../api/listener.ts';

export interface Opened {
  /** Whether sockets read into the shared buffer. */
  readonly usesSharedBuffer: boolean;
  /** Additional addresses that this machine does not have, for want of IPv6. */
  readonly missing: readonly SocketAddress[];
}

export interface ServingListener {
  readonly config: Listener;
  /** Its own first: those that are bound, with the ports in use, or those that it stands for without a socket. */
  readonly addresses: readonly SocketAddress[];
  /** The port in use, also when the configuration says 0. */
  readonly port: number;
  readonly isWarm: boolean;
  /** What must be over before a drain is. */
  readonly connectionCount: number;
  /** Rejects when an address cannot be bound, which the error names. */
  start(): Promise<Opened>;
  /** What it refers to is there. */
  warm(): void;
  /** Takes over a new version of the same kind on the same address; its socket stays. */
  update(config: Listener): void;
  /** Goes on, but asks peers to reconnect where their protocol has a word for it. */
  announceDrain(): void;
  /** What runs finishes. */
  stopAccepting(): void;
  close(): void;
}

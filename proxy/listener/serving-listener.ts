/** What the listener manager asks of a listener, whatever it serves. */
import type { Listener } from '../api/listener.ts';

export interface ServingListener {
  readonly config: Listener;
  /** The port in use, also when the configuration says 0. */
  readonly port: number;
  readonly isWarm: boolean;
  /** What must be over before a drain is. */
  readonly connectionCount: number;
  /** Rejects when the address cannot be bound. Returns whether sockets read into the shared buffer. */
  start(): Promise<boolean>;
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

/** One program that is measured. One file each, listed in ONE table: `table.ts`. */
import type { Backend } from '../backend.ts';
import type { Child } from '../processes.ts';

export interface Peer {
  /** As in `--only` and in the report. */
  readonly name: string;
  /** How it is set up, in one line of the report. */
  readonly setup: string;
  /** Its version, or why it cannot be measured on this machine. */
  probe(): PeerProbe;
  /** Starts it as a proxy in front of the backend and resolves with the process whose CPU time counts. */
  start(scene: Scene): Promise<Child>;
}

export type PeerProbe = { readonly version: string } | { readonly missing: string };

/** What a peer finds when it is started. */
export interface Scene {
  /** The loopback port to listen on. */
  readonly port: number;
  readonly backend: Backend;
  /** Writes a file that is removed after the run and gives its path. */
  writeFile(name: string, text: string): string;
  /** The folder of these files. */
  readonly directory: string;
  /** Starts the measured program on the core of its own and waits until it listens; default on the scene's `port`. */
  startProxy(argv: readonly string[], port?: number): Promise<Child>;
  /** Starts a program that the measured one needs on the other core and waits until it listens on `port`. */
  startHelper(argv: readonly string[], port: number): Promise<Child>;
}

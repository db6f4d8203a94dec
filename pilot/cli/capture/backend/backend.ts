/** What rules are handed to: a way to put them in force, and to take them back. */
import { run, type ProgramName } from '../program.ts';
import type { Chain } from '../rules.ts';

export const backendNames = ['nftables', 'iptables'] as const;
export type BackendName = (typeof backendNames)[number];

/** The input of one program, carried out as one transaction. */
export interface Script {
  readonly program: ProgramName;
  readonly args: readonly string[];
  /** Has the program read the script without carrying it out. */
  readonly checkFlag: string;
  readonly text: string;
}

export interface Backend {
  readonly name: BackendName;
  readonly isInstalled: () => boolean;
  readonly isInForce: () => boolean;
  /** Replaces what an earlier run has left. */
  readonly capture: (chains: readonly Chain[]) => readonly Script[];
  /** Removes what is there, and does nothing when nothing is. */
  readonly release: () => readonly Script[];
}

export function checkScript({ program, args, checkFlag, text }: Script): void {
  run(program, [checkFlag, ...args], text);
}

export function runScript({ program, args, text }: Script): void {
  run(program, args, text);
}

/** Exit codes of `heddle`, made for scripts: what to do next differs from code to code. */
import { constants } from 'node:os';

export const exitCodes = {
  ok: 0,
  /** The request was understood and refused, or the work failed. */
  failed: 1,
  /** The command line is wrong; nothing was tried. */
  usage: 2,
  /** No answer from pilot's API: trying again later may help. */
  unreachable: 3,
  /** `heddle canary --wait`: the release is not decided; a person has to, or more time. */
  undecided: 4,
  /** `heddle run`: the application's file may not be executed. */
  notExecutable: 126,
  /** `heddle run`: there is no such application. */
  notFound: 127,
} as const;

export const exitCodeHelp = `
Exit codes:
  0    done
  1    refused or failed
  2    the command line is wrong
  3    the server does not answer
  4    canary --wait: not decided; it is paused, at a gate for people, or the time was up
  126  run: the application cannot be executed; 127: it was not found; 128+n: it was ended by signal n
`;

/** Ends the command with one sentence on stderr. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = exitCodes.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The code a shell reports for a process that a signal ended. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}

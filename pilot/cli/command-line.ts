/** Words → verb → exit code. */
import { Command, CommanderError } from 'commander';
import { registerApply } from './apply.ts';
import type { CommandContext } from './context.ts';
import { registerDelete } from './delete.ts';
import { CommandError, exitCodeHelp, exitCodes } from './exit-code.ts';
import { registerGet } from './get.ts';
import { registerProxy } from './proxy.ts';
import { registerProxyStatus } from './proxy-status.ts';
import { registerRun } from './run.ts';
import { registerUp } from './up.ts';

const verbs = [registerUp, registerRun, registerProxy, registerApply, registerGet, registerDelete, registerProxyStatus];

/** Runs one command; resolves with the exit code of the process, after every message has been written. */
export async function runCommandLine(args: readonly string[], context: CommandContext): Promise<number> {
  try {
    await buildProgram(context).parseAsync(args, { from: 'user' });
    return context.exitCode;
  } catch (error) {
    return reportFailure(error, context);
  }
}

function buildProgram(context: CommandContext): Command {
  const program = new Command('heddle')
    .description('A service mesh: sidecars, a control plane and telemetry, driven by Istio resources.')
    .enablePositionalOptions()
    .exitOverride()
    .showHelpAfterError('(add --help for the options and examples)')
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
    })
    .addHelpText('after', exitCodeHelp);
  for (const register of verbs) register(program, context);
  return program;
}

function reportFailure(error: unknown, context: CommandContext): number {
  // Commander has written its message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (error instanceof CommandError) {
    context.stderr.write(`heddle: ${error.message}\n`);
    return error.exitCode;
  }
  context.stderr.write(`heddle: ${error instanceof Error ? error.message : String(error)}\n`);
  return exitCodes.failed;
}

/** Words → verb → exit code. */
import { Command, CommanderError } from 'commander';
import type { CommandContext } from './context.ts';
import { CommandError, exitCodeHelp, exitCodes } from './exit-code.ts';
import { packageVersion } from './package-version.ts';

type RegisterVerb = (program: Command, context: CommandContext) => void;

/**
 * In the order of the help. Only the verb that is called is loaded: a sidecar is in memory for as long as its
 * application, and what the other verbs need would be a third of it.
 */
const verbs: ReadonlyMap<string, () => Promise<RegisterVerb>> = new Map([
  ['up', async () => (await import('./up.ts')).registerUp],
  ['run', async () => (await import('./run.ts')).registerRun],
  ['gateway', async () => (await import('./gateway.ts')).registerGateway],
  ['proxy', async () => (await import('./proxy.ts')).registerProxy],
  ['capture', async () => (await import('./capture.ts')).registerCapture],
  ['apply', async () => (await import('./apply.ts')).registerApply],
  ['get', async () => (await import('./get.ts')).registerGet],
  ['delete', async () => (await import('./delete.ts')).registerDelete],
  ['canary', async () => (await import('./canary.ts')).registerCanary],
  ['proxy-status', async () => (await import('./proxy-status.ts')).registerProxyStatus],
  ['explain', async () => (await import('./explain.ts')).registerExplain],
]);

/** Runs one command; resolves with the exit code of the process, after every message has been written. */
export async function runCommandLine(args: readonly string[], context: CommandContext): Promise<number> {
  try {
    await (await buildProgram(args[0] ?? '', context)).parseAsync(args, { from: 'user' });
    return context.exitCode;
  } catch (error) {
    return reportFailure(error, context);
  }
}

/** `word`: the first of the command line; where it is no verb, all of them are there for the help and for a suggestion. */
async function buildProgram(word: string, context: CommandContext): Promise<Command> {
  const program = new Command('heddle')
    .description('A service mesh: sidecars, a control plane and telemetry, driven by Istio resources.')
    .enablePositionalOptions()
    .version(`heddle ${packageVersion()}`, '--version', 'print the version of heddle')
    .exitOverride()
    .showHelpAfterError('(add --help for the options and examples)')
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
    })
    .addHelpText('after', exitCodeHelp);
  const called = verbs.get(word);
  for (const load of called === undefined ? verbs.values() : [called]) (await load())(program, context);
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

#!/usr/bin/env node
/** The `heddle` command. */
import { runCommandLine } from './command-line.ts';

// The gRPC library writes failures to the terminal that the commands explain themselves. Read when it is loaded.
process.env['GRPC_VERBOSITY'] ??= 'NONE';

// A reader that stops reading, as `head` does, is no fault of this command. A server listens too, and goes on.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (process.stdout.listenerCount('error') > 1) return;
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

// Timers and sockets of a server that drains do not keep a process alive; the command does until it is done.
setInterval(() => {}, 2 ** 30);

const { stdin, stdout, stderr, env } = process;
const exitCode = await runCommandLine(process.argv.slice(2), { stdin, stdout, stderr, env, exitCode: 0 });
process.exit(exitCode);

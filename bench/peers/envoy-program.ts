import { requireExecutable } from '../executable.ts';

/** The arguments that run Envoy on one thread. */
export function envoyCommand(configFile: string): string[] {
  return [
    requireExecutable('envoy', 'envoy'),
    '-c',
    configFile,
    '--concurrency',
    '1',
    '--disable-hot-restart',
    '--log-level',
    'error',
  ];
}

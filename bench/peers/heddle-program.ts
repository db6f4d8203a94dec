import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { PeerProbe } from './peer.ts';

/** The compiled `heddle` command, and the compiled mixer. */
const program = fileURLToPath(new URL('../../pilot/cli/main.js', import.meta.url));
const mixerProgram = fileURLToPath(new URL('../../mixer/main.js', import.meta.url));

/** The arguments that run one verb of `heddle`. */
export function heddleCommand(...args: readonly string[]): string[] {
  return [process.execPath, program, ...args];
}

/** The arguments that run a mixer on loopback. */
export function mixerCommand({ grpcPort, metricsPort }: MixerPorts): string[] {
  return [process.execPath, mixerProgram, '--mixer-port', String(grpcPort), '--metrics-port', String(metricsPort)];
}

export interface MixerPorts {
  readonly grpcPort: number;
  readonly metricsPort: number;
}

export function probeHeddle(): PeerProbe {
  if (!existsSync(program)) return { missing: 'the heddle command is not compiled' };
  const manifest = new URL('../../../package.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  return { version };
}

/** A mixer as users start it, pinned to one core. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Processes, proxyCore, waitForPort } from '../processes.ts';

/** From `dist/bench/mixer/`. */
const program = fileURLToPath(new URL('../../mixer/main.js', import.meta.url));

export interface MixerProcess {
  readonly pid: number;
  readonly grpcPort: number;
  stop(): Promise<void>;
}

export async function startMixerProcess(): Promise<MixerProcess> {
  const [grpcPort, metricsPort] = [await freePort(), await freePort()];
  const processes = new Processes();
  const ports = ['--mixer-port', String(grpcPort), '--metrics-port', String(metricsPort)];
  const child = processes.start(proxyCore, [process.execPath, program, ...ports]);
  await waitForPort(metricsPort, child);
  return { pid: child.pid, grpcPort, stop: () => processes.stopAll() };
}

/** Nobody listens there: it was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

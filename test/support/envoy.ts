/** A real Envoy, which ends with the test that started it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { request } from 'undici';
import { onTestFinished } from 'vitest';
import { requireExecutable } from '../../bench/executable.ts';
import { eventually } from './mesh.ts';

/** `file` is where its bootstrap is written. Resolves when it has all of its configuration. */
export async function startEnvoy(file: string, bootstrap: string, adminPort: number): Promise<void> {
  await writeFile(file, bootstrap);
  const options = [
    '--concurrency',
    '1',
    '--log-level',
    'error',
    '--disable-hot-restart',
    '--file-flush-interval-msec',
    '50',
  ];
  const envoy = spawn(requireExecutable('envoy', 'envoy'), ['-c', file, ...options], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  envoy.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()));
  onTestFinished(async () => {
    envoy.kill('SIGKILL');
    await closed;
  });
  const closed = once(envoy, 'close');
  const isReady = eventually(async () => {
    const { statusCode, body } = await request(`http://127.0.0.1:${adminPort}/ready`);
    await body.dump();
    return statusCode === 200 ? true : undefined;
  });
  const isUp = await Promise.race([isReady, closed.then(() => false)]);
  if (!isUp) throw new Error(`Envoy did not start: ${said}`);
}

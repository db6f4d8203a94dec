/** Runs once before all tests: compiles to `dist/`, because whole processes are tested as users run them. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

export function setup(): Promise<void> {
  // npm has done so just now, before it called vitest.
  if (process.env['npm_lifecycle_event'] === 'test') return Promise.resolve();
  return new Promise((resolve) => {
    execFile(process.execPath, ['node_modules/typescript/bin/tsc'], { cwd: root }, (error, output) => {
      // What compiles with faults is emitted all the same; `npm run check` is where faults of types fail.
      if (error !== null) process.stderr.write(`tsc: ${output}\n`);
      resolve();
    });
  });
}

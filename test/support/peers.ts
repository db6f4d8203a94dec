/** Programs that npm does not install: other proxies and the load generator. */
import type { TestContext } from 'vitest';
import { findExecutable } from '../../bench/executable.ts';

export type PeerProgram = 'nginx' | 'haproxy' | 'wrk' | 'envoy';

/** Comma-separated names of programs that must be there: without them a test fails instead of being skipped. */
const requirement = 'HEDDLE_REQUIRE_PEERS';

/** Call first in a test that runs other people's programs. Skips it, with the reason, where one is not installed. */
export function requirePeers(context: TestContext, ...programs: readonly PeerProgram[]): void {
  const required = (process.env[requirement] ?? '').split(/[\s,]+/);
  for (const program of programs) {
    if (findExecutable(program) !== undefined) continue;
    if (required.includes(program)) throw new Error(`${program} is not installed, but ${requirement} names it`);
    context.skip(`${program} is not installed`);
  }
}

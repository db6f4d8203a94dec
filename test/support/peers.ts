/** Programs that npm does not install: other proxies, the load generator, and what the tests of pods start. */
import type { TestContext } from 'vitest';
import { findExecutable } from '../../bench/executable.ts';

export type PeerProgram =
  | 'nginx'
  | 'haproxy'
  | 'wrk'
  | 'h2load'
  | 'envoy'
  | 'curl'
  | 'python3'
  | 'ip'
  | 'nft'
  | 'iptables'
  | 'dig'
  | 'redis-server'
  | 'psql'
  | 'prometheus'
  | 'promtool'
  | 'hadolint';

/** Comma-separated names of programs that must be there: without them a test fails instead of being skipped. */
const requirement = 'HEDDLE_REQUIRE_PEERS';

/** Call first in a test that runs other people's programs. Skips it, with the reason, where one is not installed. */
export function requirePeers(context: TestContext, ...programs: readonly PeerProgram[]): void {
  for (const program of programs) {
    if (findExecutable(program) === undefined) skipOrFail(context, program, `${program} is not installed`);
  }
}

/** Skips the test for this reason, or fails it where what it lacks must be there. */
export function skipOrFail(context: TestContext, lacking: string, reason: string): void {
  const required = (process.env[requirement] ?? '').split(/[\s,]+/);
  if (required.includes(lacking)) throw new Error(`${reason}, but ${requirement} names ${lacking}`);
  context.skip(reason);
}

import { executableVersion, findExecutable } from '../executable.ts';
import type { PeerProbe } from './peer.ts';

/** A program on the PATH; `source` says where to get it. */
export function probeExecutable(name: string, versionFlag: string, source: string): PeerProbe {
  const path = findExecutable(name);
  if (path === undefined) return { missing: `${name} is not installed (${source})` };
  return { version: executableVersion(path, versionFlag) };
}

/** Peers that are a few lines of JavaScript around a library. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Peer } from './peer.ts';

interface NodePeerPlan {
  readonly name: string;
  readonly setup: string;
  /** Runs as `node bench/programs/PROGRAM.js PORT BACKEND_PORT …args`. */
  readonly program: string;
  readonly args?: readonly string[];
  /** The npm package that does the work; its version is the peer's. */
  readonly npmPackage: string;
}

export function nodePeer(plan: NodePeerPlan): Peer {
  return {
    name: plan.name,
    setup: plan.setup,
    probe: () => ({ version: packageVersion(plan.npmPackage) }),
    start: (scene) =>
      scene.startProxy([
        process.execPath,
        fileURLToPath(new URL(`../programs/${plan.program}.js`, import.meta.url)),
        String(scene.port),
        String(scene.backend.ports[0]),
        ...(plan.args ?? []),
      ]),
  };
}

function packageVersion(name: string): string {
  const manifest = createRequire(import.meta.url)(`${name}/package.json`) as { version: string };
  return manifest.version;
}

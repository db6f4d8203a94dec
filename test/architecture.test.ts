/** The rules of the house, as far as a machine can see them. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generate } from '../proxy/api/generate.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Paths of everything that is ours, from the root of the repository. */
const files = listFiles(root).map((path) => relative(root, path));

function listFiles(folder: string): string[] {
  const foreign = new Set(['.git', '.heddle', 'dist', 'node_modules']);
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return foreign.has(entry.name) ? [] : listFiles(path);
    return entry.isFile() && !entry.name.endsWith('.log') ? [path] : [];
  });
}

const leaves = 'proxy/common holds leaves: it imports nothing of ours from outside its folder.';
const wireContract = 'proxy/api is the wire contract: it imports only proxy/common.';
const proxyAlone = 'The proxy runs from a static bootstrap alone: it never imports pilot, mixer or crds.';
const userResources = 'crds is what users write: it imports proxy/common only.';
const pilotDoors = 'pilot knows the proxy only by its wire contract (proxy/api) and never imports mixer.';
const mixerDoors = 'mixer knows the proxy only by its wire contract (proxy/api) and never imports pilot.';

/** Importing file, imported file, the rule that forbids it. */
const forbidden: readonly (readonly [string, string, string])[] = [
  ['proxy/common/leaf.ts', 'proxy/api/route.ts', leaves],
  ['proxy/common/leaf.ts', 'pilot/server.ts', leaves],
  ['proxy/api/wire.ts', 'proxy/router/table.ts', wireContract],
  ['proxy/api/wire.ts', 'proxy/server.ts', wireContract],
  ['proxy/api/wire.ts', 'crds/kinds.ts', wireContract],
  ['proxy/main.ts', 'pilot/server.ts', proxyAlone],
  ['proxy/router/filter.ts', 'pilot/model/service.ts', proxyAlone],
  ['proxy/router/filter.ts', 'mixer/server.ts', proxyAlone],
  ['proxy/router/filter.ts', 'crds/kinds.ts', proxyAlone],
  ['proxy/router/filter.ts', 'test/support/traffic.ts', proxyAlone],
  ['proxy/router/filter.ts', 'bench/load.ts', proxyAlone],
  ['proxy/router/filter.ts', 'examples/shop/start.ts', proxyAlone],
  ['crds/kinds.ts', 'proxy/api/route.ts', userResources],
  ['crds/kinds.ts', 'proxy/server.ts', userResources],
  ['crds/kinds.ts', 'pilot/server.ts', userResources],
  ['crds/kinds.ts', 'mixer/server.ts', userResources],
  ['crds/kinds.ts', 'test/support/traffic.ts', userResources],
  ['crds/kinds.ts', 'bench/load.ts', userResources],
  ['pilot/server.ts', 'mixer/server.ts', pilotDoors],
  ['pilot/xds/stream.ts', 'mixer/telemetry/ledger.ts', pilotDoors],
  ['pilot/server.ts', 'proxy/server.ts', pilotDoors],
  ['pilot/networking/routes.ts', 'proxy/router/table.ts', pilotDoors],
  ['pilot/networking/routes.ts', 'test/support/traffic.ts', pilotDoors],
  ['pilot/server.ts', 'bench/load.ts', pilotDoors],
  ['mixer/server.ts', 'pilot/server.ts', mixerDoors],
  ['mixer/telemetry/ledger.ts', 'pilot/model/service.ts', mixerDoors],
  ['mixer/server.ts', 'proxy/server.ts', mixerDoors],
  ['mixer/telemetry/ledger.ts', 'proxy/telemetry/istio-metrics.ts', mixerDoors],
  ['mixer/telemetry/ledger.ts', 'test/support/traffic.ts', mixerDoors],
  ['mixer/server.ts', 'examples/shop/start.ts', mixerDoors],
];

const allowed: readonly (readonly [string, string])[] = [
  ['proxy/common/leaf.ts', 'proxy/common/clock.ts'],
  ['proxy/api/wire.ts', 'proxy/common/decoded.ts'],
  ['proxy/router/filter.ts', 'proxy/api/route.ts'],
  ['proxy/router/filter.ts', 'proxy/common/clock.ts'],
  ['crds/kinds.ts', 'proxy/common/decoded.ts'],
  ['pilot/networking/routes.ts', 'proxy/api/route.ts'],
  ['pilot/networking/routes.ts', 'proxy/common/decoded.ts'],
  ['pilot/networking/routes.ts', 'crds/kinds.ts'],
  ['pilot/cli/up.ts', 'mixer/server.ts'],
  ['pilot/cli/run.ts', 'proxy/server.ts'],
  ['mixer/telemetry/ledger.ts', 'proxy/api/metrics.ts'],
  ['mixer/telemetry/ledger.ts', 'proxy/common/clock.ts'],
  ['mixer/canary/controller.ts', 'crds/kinds.ts'],
  ['test/mesh/canary.test.ts', 'pilot/server.ts'],
  ['bench/main.ts', 'proxy/server.ts'],
];

describe('the arrows between rooms', () => {
  let house: string;
  let complaints: Map<string, string>;
  const placeOf = (from: string, to: string): string => from.replace(/\.ts$/, `-to-${to.replace(/\W/g, '-')}.ts`);

  /** An empty house under the linter's own rules, with one file per arrow. */
  beforeAll(() => {
    house = mkdtempSync(join(tmpdir(), 'heddle-house-'));
    const rules = JSON.parse(read('.oxlintrc.json')) as { options: Record<string, unknown> };
    // The arrows need no types, and an empty house has none.
    writeFileSync(join(house, '.oxlintrc.json'), JSON.stringify({ ...rules, options: { typeAware: false } }));
    for (const [from, to] of [...forbidden, ...allowed]) plantImport(from, to);
    complaints = lint();
  });
  afterAll(() => rmSync(house, { recursive: true }));

  function plantImport(from: string, to: string): void {
    const file = join(house, placeOf(from, to));
    const specifier = relative(dirname(placeOf(from, to)), to);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(
      file,
      `import { thing } from '${specifier.startsWith('.') ? specifier : `./${specifier}`}';\n\nexport const copy = thing;\n`,
    );
  }

  /** What the linter says, by file. */
  function lint(): Map<string, string> {
    const oxlint = join(root, 'node_modules/oxlint/bin/oxlint');
    const { stdout } = spawnSync(process.execPath, [oxlint, '--format=json'], { cwd: house, encoding: 'utf8' });
    const { diagnostics } = JSON.parse(stdout) as {
      diagnostics: { filename: string; message: string; help?: string }[];
    };
    return new Map(diagnostics.map(({ filename, message, help = '' }) => [filename, `${message} ${help}`]));
  }

  it.each(forbidden)('%s may not import %s', (from, to, rule) => {
    expect(complaints.get(placeOf(from, to)) ?? 'nothing').toContain(rule);
  });

  it.each(allowed)('%s may import %s', (from, to) => {
    expect(complaints.get(placeOf(from, to))).toBeUndefined();
  });
});

describe('the repository', () => {
  it('has no source file of more than 500 lines', () => {
    const sources = files.filter((path) => /\.(ts|mjs)$/.test(path) && !path.endsWith('.gen.ts'));
    expect(sources.length).toBeGreaterThan(20);
    expect(sources.filter((path) => read(path).split('\n').length > 501)).toEqual([]);
  });

  it('holds the wire types that its generator makes', () => {
    for (const [name, text] of Object.entries(generate())) {
      expect(read(join('proxy/api', name)) === text, `${name} is stale: npm run generate`).toBe(true);
    }
  });

  it('installs from whatever registry the user has', () => {
    expect(read('package-lock.json')).not.toMatch(/"resolved": *"\w+:/);
  });

  it('names no folder of the machine it was written on', () => {
    const homes = /(?<![\w.-])\/(?:home\/\w|Users\/\w|root\/|work\/)/;
    const guilty = files.flatMap((path) => {
      const match = homes.exec(read(path));
      return match === null ? [] : [`${path}: ${match[0]}`];
    });
    expect(guilty).toEqual([]);
  });
});

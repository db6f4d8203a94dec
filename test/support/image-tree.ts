/**
 * What the container files make, without a builder: the folder of the program, from what is compiled here and the packages
 * that are installed here, each copied only where the container files copy it.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryDir } from './mesh.ts';
import { copies, execForm, inForce, lineage, parseContainerfile, type Stage } from './containerfile.ts';

/** By image, from `pilot/deploy`. */
const files = { proxy: 'proxy', capture: 'proxy', pilot: 'pilot' } as const;
export type ImageName = keyof typeof files;

export interface Image {
  /** Ids; undefined for root. */
  readonly user: string | undefined;
  readonly command: readonly string[];
  /** Exits with 0 when the program is ready. */
  readonly healthCheck: readonly string[] | undefined;
}

export function readImage(name: ImageName): Image {
  const all = lineage(readStages(name), name);
  return {
    user: inForce(all, 'USER'),
    command: execForm(inForce(all, 'CMD')) ?? [],
    healthCheck: execForm(inForce(all, 'HEALTHCHECK')?.replace(/^.*?CMD /, '')),
  };
}

function readStages(name: ImageName): readonly Stage[] {
  return parseContainerfile(readFileSync(join(repositoryDir, `pilot/deploy/${files[name]}.Containerfile`), 'utf8'));
}

export class ImageTree {
  readonly folder = mkdtempSync(join(tmpdir(), 'heddle-image-'));

  constructor(name: ImageName) {
    // Those of other users read it too.
    chmodSync(this.folder, 0o755);
    const stages = readStages(name);
    for (const { from, sources, target } of copies(lineage(stages, name))) {
      if (from === undefined) this.#copy(sources);
      else if (target === 'node_modules') this.#copyPackages();
      else this.#copyCompiled(stages.find((stage) => stage.name === from));
    }
  }

  /** `npm ci --omit=dev`; packages for other platforms are left out. */
  #copyPackages(): void {
    const { packages } = JSON.parse(readFileSync(join(repositoryDir, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { dev?: true }>;
    };
    const wanted = Object.entries(packages).filter(([path, { dev = false }]) => path !== '' && !dev);
    const paths = wanted.map(([path]) => path).filter((path) => existsSync(join(repositoryDir, path)));
    this.#copy(paths);
  }

  /** What the compiler makes of the folders that were copied to it. */
  #copyCompiled(build: Stage | undefined): void {
    const sources = copies(build?.instructions ?? []).flatMap((copy) => copy.sources);
    const folders = sources.filter((one) => !one.includes('.')).map((one) => `dist/${one}`);
    this.#copy(folders);
  }

  /** Thousands of files: the system's programs do in a second what Node takes ten for. */
  #copy(paths: readonly string[]): void {
    execFileSync('cp', ['--recursive', '--parents', ...paths, this.folder], { cwd: repositoryDir });
  }

  /** The entry point. */
  get program(): readonly string[] {
    return [process.execPath, join(this.folder, 'dist/pilot/cli/main.js')];
  }

  close(): void {
    execFileSync('rm', ['--recursive', '--force', this.folder]);
  }
}

/** Which files `-f` means. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { CommandError } from './exit-code.ts';

export interface ManifestFile {
  /** As the user would write it; `stdin` for `-`. */
  readonly name: string;
  readonly text: string;
}

const extensions: ReadonlySet<string> = new Set(['.yaml', '.yml', '.json']);

export interface ManifestSources {
  /** Files, directories and `-`. */
  readonly paths: readonly string[];
  /** Whether directories below a directory are read too. */
  readonly isRecursive: boolean;
  readonly stdin: Readable;
}

/** All files in the order given; those of a directory by name. Rejects when one cannot be read or a directory has none. */
export async function readManifestFiles({ paths, isRecursive, stdin }: ManifestSources): Promise<ManifestFile[]> {
  const files: ManifestFile[] = [];
  for (const path of paths) {
    if (path === '-') {
      files.push({ name: 'stdin', text: await readStream(stdin) });
      continue;
    }
    for (const name of await expandPath(path, isRecursive)) files.push({ name, text: await readFile(name, 'utf8') });
  }
  return files;
}

async function expandPath(path: string, isRecursive: boolean): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CommandError(code === 'ENOENT' ? `${path}: no such file or directory` : message);
  }
  const names = await listDirectory(path, isRecursive);
  if (names.length === 0) throw new CommandError(`${path}: holds no .yaml, .yml or .json file`);
  return names;
}

async function listDirectory(directory: string, isRecursive: boolean): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names: string[] = [];
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name);
    if (entry.isDirectory() && isRecursive) names.push(...(await listDirectory(path, true)));
    if (!entry.isDirectory() && extensions.has(extname(entry.name))) names.push(path);
  }
  return names;
}

async function readStream(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array | string));
  return Buffer.concat(chunks).toString('utf8');
}

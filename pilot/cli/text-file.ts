/** Files that options name. */
import { readFile } from 'node:fs/promises';
import { CommandError } from './exit-code.ts';

/** Rejects with one sentence when there is no such file, or it cannot be read. */
export async function readTextFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CommandError(code === 'ENOENT' ? `${path}: no such file` : message);
  }
}

/** Finding other people's programs on this machine. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Servers of Debian packages live in the sbin folders, which are not on every user's PATH. */
const systemFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** The full path of a program, or undefined when it is not installed. */
export function findExecutable(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...systemFolders];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** The full path of a program that must be there; the error names the Debian package to install. */
export function requireExecutable(name: string, debianPackage: string): string {
  const path = findExecutable(name);
  if (path === undefined) throw new Error(`${name} is not installed (Debian package ${debianPackage})`);
  return path;
}

/** The number after the word `version` in what a program prints when asked; `unknown` when it prints none. */
export function executableVersion(path: string, flag: string): string {
  const output = execFileSync('/bin/sh', ['-c', '"$0" "$1" 2>&1 || true', path, flag], { encoding: 'utf8' });
  return /version:?\s.*?(\d+\.\d+\.\d+)/.exec(output)?.[1] ?? 'unknown';
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Makes a clone runnable: installs the packages of package-lock.json unless they are installed already, then compiles
 * to `dist/`. npm calls it before `npm start`, `npm test` and `npm run bench`, so it needs nothing but Node itself.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('./', import.meta.url);

/** Packages by folder; undefined when there is no such lock file. */
function lockedPackages(file) {
  try {
    return JSON.parse(readFileSync(new URL(file, root), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/** npm writes down in node_modules what it has installed; packages for other platforms are left out of it. */
function isInstalled() {
  const wanted = lockedPackages('package-lock.json');
  const installed = lockedPackages('node_modules/.package-lock.json');
  if (wanted === undefined || installed === undefined) return false;
  return Object.entries(wanted).every(([folder, { version, optional }]) => {
    if (folder === '') return true;
    return installed[folder] === undefined ? optional === true : installed[folder].version === version;
  });
}

/** Ends this process with the exit code of the command when that failed. Output goes to stderr: stdout is the program's. */
function run(command, ...args) {
  const { status, error } = spawnSync(command, args, { cwd: fileURLToPath(root), stdio: ['ignore', 2, 2] });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

if (!isInstalled()) run('npm', 'ci', '--include=dev', '--loglevel=error');
run(process.execPath, 'node_modules/typescript/bin/tsc');

/**
 * The contents of files, kept current. A folder is watched because files are replaced by renaming: Kubernetes turns the
 * link `..data` round, cert-manager and editors rename over the old file. Where that is not seen, on some file systems
 * and through links into other folders, a slow look at every file finds it.
 */
import { type FSWatcher, readFileSync, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../common/clock.ts';

export type FileContent =
  | { readonly text: string; readonly fault?: undefined }
  | { readonly text?: undefined; readonly fault: string };

/** Who is told of changes. */
export interface FileWatch {
  /** Replaces what is watched. Folders need not hold any of the files. */
  watch(paths: Iterable<string>, folders?: Iterable<string>): void;
  close(): void;
}

/** Replacing a certificate and its key are several events: they are looked at together. */
const debounceMs = 100;
const pollIntervalMs = 5_000;
/** Far more than any bundle of certificates has. */
const maxFileBytes = 4_194_304;

interface Watcher {
  readonly onChange: () => void;
  paths: ReadonlySet<string>;
  folders: ReadonlySet<string>;
}

export class WatchedFiles {
  readonly #clock: Clock;
  readonly #watchers = new Set<Watcher>();
  readonly #contents = new Map<string, FileContent>();
  /** Undefined: the folder could not be watched; tried again at every look. */
  readonly #folders = new Map<string, FSWatcher | undefined>();
  #cancelDebounce: (() => void) | undefined = undefined;
  #cancelPoll: (() => void) | undefined = undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** As last seen, which is now for a file that nobody watches. */
  read(path: string): FileContent {
    return this.#contents.get(path) ?? readFile(path);
  }

  /** `onChange` is called after something in the files has changed. */
  open(onChange: () => void): FileWatch {
    const watcher: Watcher = { onChange, paths: new Set(), folders: new Set() };
    this.#watchers.add(watcher);
    return {
      watch: (paths, folders = []) => {
        watcher.paths = new Set(paths);
        watcher.folders = new Set([...folders, ...[...watcher.paths].map((path) => dirname(path))]);
        this.#update();
      },
      close: () => {
        this.#watchers.delete(watcher);
        this.#update();
      },
    };
  }

  close(): void {
    this.#watchers.clear();
    this.#update();
  }

  #update(): void {
    const paths = new Set([...this.#watchers].flatMap((watcher) => [...watcher.paths]));
    const folders = new Set([...this.#watchers].flatMap((watcher) => [...watcher.folders]));
    for (const path of this.#contents.keys()) if (!paths.has(path)) this.#contents.delete(path);
    for (const folder of this.#folders.keys()) if (!folders.has(folder)) this.#closeFolder(folder);
    for (const path of paths) if (!this.#contents.has(path)) this.#contents.set(path, readFile(path));
    for (const folder of folders) if (!this.#folders.has(folder)) this.#openFolder(folder);
    if (paths.size === 0) {
      this.#cancelPoll?.();
      this.#cancelDebounce?.();
      this.#cancelPoll = undefined;
      this.#cancelDebounce = undefined;
    } else {
      this.#cancelPoll ??= this.#clock.setTimer(this.#poll, pollIntervalMs);
    }
  }

  #openFolder(folder: string): void {
    this.#folders.set(folder, undefined);
    try {
      const watcher = watch(folder, { persistent: false }, () => {
        this.#cancelDebounce ??= this.#clock.setTimer(this.#look, debounceMs);
      });
      watcher.on('error', () => this.#closeFolder(folder, true));
      this.#folders.set(folder, watcher);
    } catch {
      // It may be there later, or the system has no more watches to give: the slow look remains.
    }
  }

  #closeFolder(folder: string, isStillWanted = false): void {
    this.#folders.get(folder)?.close();
    if (isStillWanted) this.#folders.set(folder, undefined);
    else this.#folders.delete(folder);
  }

  readonly #poll = (): void => {
    this.#cancelPoll = this.#clock.setTimer(this.#poll, pollIntervalMs);
    this.#look();
    for (const [folder, watcher] of this.#folders) if (watcher === undefined) this.#openFolder(folder);
  };

  readonly #look = (): void => {
    this.#cancelDebounce?.();
    this.#cancelDebounce = undefined;
    const changed = new Set<string>();
    for (const [path, before] of this.#contents) {
      const now = readFile(path);
      if (now.text === before.text && now.fault === before.fault) continue;
      this.#contents.set(path, now);
      changed.add(path);
    }
    if (changed.size === 0) return;
    for (const { paths, onChange } of this.#watchers) {
      if ([...changed].some((path) => paths.has(path))) onChange();
    }
  };
}

function readFile(path: string): FileContent {
  try {
    const { size } = statSync(path);
    if (size > maxFileBytes) return { fault: `${path} must have at most ${maxFileBytes} bytes, got ${size}` };
    return { text: readFileSync(path, 'utf8') };
  } catch (error) {
    const { code = 'unreadable' } = error as NodeJS.ErrnoException;
    return { fault: `${path} cannot be read: ${code}` };
  }
}

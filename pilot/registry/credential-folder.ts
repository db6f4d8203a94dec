/**
 * Secrets of gateways in a folder, as a volume in a pod shows them: `NAMESPACE/NAME/tls.crt`, `tls.key` and `ca.crt`. It is
 * read again and again, since a volume changes by a link that is replaced, which not every file system tells about.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../proxy/common/clock.ts';
import type { Logger } from '../../proxy/common/log.ts';
import { type Credential, Credentials, noCredentials } from '../model/credentials.ts';

export interface CredentialFolderOptions {
  /** Undefined: there are no secrets. */
  readonly folder: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Between two looks. */
const intervalMs = 1_000;

export class CredentialFolder {
  readonly #options: CredentialFolderOptions;
  #all: readonly Credential[] = [];
  #current: Credentials = noCredentials;
  /** What is wrong now, so that it is said once. */
  #faults: ReadonlySet<string> = new Set();
  #listener: () => void = () => {};
  #cancel: (() => void) | undefined;
  #isClosed = false;

  constructor(options: CredentialFolderOptions) {
    this.#options = options;
  }

  /** Keeps its identity while nothing in it changes. */
  get current(): Credentials {
    return this.#current;
  }

  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  /** Rejects when there is no such folder. */
  async start(): Promise<void> {
    const { folder } = this.#options;
    if (folder === undefined) return;
    await readdir(folder);
    await this.refresh();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }

  /** Looks now, and goes on looking. */
  async refresh(): Promise<void> {
    const { folder = '', clock, logger } = this.#options;
    this.#cancel?.();
    const reading = new FolderReading(folder, this.#all);
    const found = await reading.read();
    if (this.#isClosed) return;
    for (const fault of reading.faults) {
      if (!this.#faults.has(fault)) logger.warn('a secret of gateways cannot be used', { fault });
    }
    this.#faults = reading.faults;
    if (!isDeepStrictEqual(found, this.#all)) {
      this.#all = found;
      this.#current = new Credentials(found);
      this.#listener();
    }
    this.#cancel = clock.setTimer(() => void this.refresh(), intervalMs);
  }
}

/** One look at the folder. What is there and is no good leaves in force what was: files are not replaced all at once. */
class FolderReading {
  readonly faults = new Set<string>();
  readonly #folder: string;
  readonly #before: readonly Credential[];

  constructor(folder: string, before: readonly Credential[]) {
    this.#folder = folder;
    this.#before = before;
  }

  async read(): Promise<readonly Credential[]> {
    const found: Credential[] = [];
    for (const namespace of await this.#list('')) {
      for (const name of await this.#list(namespace)) found.push(await this.#readSecret(namespace, name));
    }
    return found;
  }

  async #readSecret(namespace: string, name: string): Promise<Credential> {
    const at = `${namespace}/${name}`;
    const [chain, key, ca] = await Promise.all(
      ['tls.crt', 'tls.key', 'ca.crt'].map((file) => this.#text(`${at}/${file}`)),
    );
    const before = this.#before.find((known) => known.namespace === namespace && known.name === name);
    const hasPair = chain !== undefined && key !== undefined;
    if (!hasPair && (chain ?? key) !== undefined) this.faults.add(`${at}: tls.crt and tls.key belong together`);
    const isPairGood = hasPair && this.#tries(at, () => checkPair(chain, key));
    const isAuthorityGood = ca !== undefined && this.#tries(`${at}/ca.crt`, () => new X509Certificate(ca));
    const certificate = isPairGood ? { chain, key } : (chain ?? key) === undefined ? undefined : before?.certificate;
    const trustedCa = isAuthorityGood || ca === undefined ? ca : before?.trustedCa;
    return { namespace, name, certificate, trustedCa };
  }

  #tries(at: string, check: () => unknown): boolean {
    try {
      check();
      return true;
    } catch (error) {
      this.faults.add(`${at}: ${error instanceof Error ? error.message : String(error)}`);
      return false;
    }
  }

  /** Folders; those that begin with a dot are how a volume replaces its files. */
  async #list(path: string): Promise<string[]> {
    try {
      const entries = await readdir(join(this.#folder, path), { withFileTypes: true });
      const names = entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).map(({ name }) => name);
      return names.filter((name) => !name.startsWith('.')).sort();
    } catch (error) {
      this.#note(path, error);
      return [];
    }
  }

  async #text(path: string): Promise<string | undefined> {
    try {
      return await readFile(join(this.#folder, path), 'utf8');
    } catch (error) {
      this.#note(path, error);
      return undefined;
    }
  }

  #note(path: string, error: unknown): void {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') this.faults.add(`${path}: ${message}`);
  }
}

function checkPair(chain: string, key: string): void {
  const isPair = new X509Certificate(chain).checkPrivateKey(createPrivateKey(key));
  if (!isPair) throw new Error('tls.key is not the key of the certificate in tls.crt');
}

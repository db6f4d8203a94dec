/**
 * Lists of CheckRules that are kept in files and at URLs. What was read last stays in force until something better is read,
 * over restarts too: a server that is down, or that answers with nonsense, neither lets anybody in nor keeps anybody out.
 */
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { request } from 'undici';
import type { CheckList, CheckRuleSpec } from '../../crds/check-rule.ts';
import { parseDurationMs } from '../../crds/duration.ts';
import type { Resource } from '../../crds/resource.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import type { Logger } from '../../proxy/common/log.ts';
import type { ListValues } from '../model/check-rules.ts';
import { maxListBytes, parseListValues } from './list-values.ts';

export interface CheckListsOptions {
  /** Where `file` is looked for. */
  readonly folder: string;
  /** What was read last. */
  readonly cacheFile: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const defaultRefreshMs = 60_000;
/** Of one answer, from connecting to its last byte. */
const fetchTimeoutMs = 10_000;

interface Watched {
  readonly list: CheckList;
  refreshMs: number;
  fault: string | undefined;
  cancel: (() => void) | undefined;
  isGone: boolean;
}

export class CheckLists implements ListValues {
  readonly #options: CheckListsOptions;
  readonly #watched = new Map<string, Watched>();
  /** By key. Lists that nobody watches any more stay until the process ends: a rule may come back. */
  readonly #values = new Map<string, readonly string[]>();
  #listener: () => void = () => {};
  #saving: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: CheckListsOptions) {
    this.#options = options;
  }

  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  /** Takes over what an earlier process read. Never rejects. */
  async start(): Promise<void> {
    const { cacheFile, logger } = this.#options;
    try {
      const cached = JSON.parse(await readFile(cacheFile, 'utf8')) as Record<string, readonly string[]>;
      for (const [key, values] of Object.entries(cached)) this.#values.set(key, values);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      logger.warn('lists that were read before cannot be used', { file: cacheFile, error: String(error) });
    }
  }

  valuesOf(list: CheckList): readonly string[] | undefined {
    return this.#values.get(keyOf(list));
  }

  /** Reads the lists of these resources from now on, and no others. */
  watch(resources: readonly Resource[]): void {
    const wanted = new Map<string, { readonly list: CheckList; readonly refreshMs: number }>();
    for (const list of listsOf(resources)) {
      const refreshMs = parseDurationMs(list.refreshInterval ?? '') ?? defaultRefreshMs;
      const other = wanted.get(keyOf(list));
      wanted.set(keyOf(list), { list, refreshMs: Math.min(refreshMs, other?.refreshMs ?? refreshMs) });
    }
    for (const [key, watched] of this.#watched) if (!wanted.has(key)) this.#forget(key, watched);
    for (const [key, { list, refreshMs }] of wanted) {
      const known = this.#watched.get(key);
      if (known !== undefined) known.refreshMs = refreshMs;
      else this.#begin(key, { list, refreshMs, fault: undefined, cancel: undefined, isGone: false });
    }
  }

  #begin(key: string, watched: Watched): void {
    this.#watched.set(key, watched);
    void this.#refresh(key, watched);
  }

  #forget(key: string, watched: Watched): void {
    watched.isGone = true;
    watched.cancel?.();
    this.#watched.delete(key);
  }

  async #refresh(key: string, watched: Watched): Promise<void> {
    const { list } = watched;
    const result = await this.#read(list);
    if (watched.isGone || this.#isClosed) return;
    if (result.fault !== undefined) this.#tell(watched, result.fault);
    else {
      watched.fault = undefined;
      this.#replace(key, result.values);
    }
    watched.cancel = this.#options.clock.setTimer(() => void this.#refresh(key, watched), watched.refreshMs);
  }

  /** Once, as long as it is the same. */
  #tell(watched: Watched, fault: string): void {
    if (watched.fault === fault) return;
    watched.fault = fault;
    const { file, url } = watched.list;
    const inForce = this.valuesOf(watched.list)?.length ?? 0;
    this.#options.logger.warn('a list of check rules cannot be read, the last good one stays', {
      list: file ?? url ?? '',
      fault,
      values: String(inForce),
    });
  }

  #replace(key: string, values: readonly string[]): void {
    const before = this.#values.get(key);
    if (before?.length === values.length && before.every((value, i) => value === values[i])) return;
    this.#values.set(key, values);
    this.#saving = this.#saving.then(() => this.#save());
    this.#listener();
  }

  async #read({ file, url, ...list }: CheckList): Promise<ReturnType<typeof parseListValues>> {
    try {
      const text = file === undefined ? await fetchText(url ?? '') : await readText(join(this.#options.folder, file));
      return parseListValues(text, list);
    } catch (error) {
      return { fault: error instanceof Error ? error.message : String(error) };
    }
  }

  async #save(): Promise<void> {
    const { cacheFile, logger } = this.#options;
    try {
      await mkdir(dirname(cacheFile), { recursive: true });
      await writeFile(`${cacheFile}.tmp`, JSON.stringify(Object.fromEntries(this.#values)));
      await rename(`${cacheFile}.tmp`, cacheFile);
    } catch (error) {
      logger.warn('lists cannot be kept for the next start', { file: cacheFile, error: String(error) });
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const [key, watched] of this.#watched) this.#forget(key, watched);
    await this.#saving;
  }
}

/** Two lists of one origin and one kind of values are one. */
function keyOf({ attribute, file, url }: CheckList): string {
  return `${attribute} ${file ?? url ?? ''}`;
}

function listsOf(resources: readonly Resource[]): CheckList[] {
  return resources
    .filter(({ kind }) => kind === 'CheckRule')
    .flatMap(({ spec }) => (spec as CheckRuleSpec).match ?? [])
    .flatMap(({ lists = [] }) => lists)
    .filter(({ file, url }) => file !== undefined || url !== undefined);
}

async function readText(file: string): Promise<string> {
  const { size } = await stat(file);
  if (size > maxListBytes) throw new Error(`has more than ${maxListBytes} bytes`);
  return readFile(file, 'utf8');
}

/** A redirection is not followed: who applied the rule named the server. */
async function fetchText(url: string): Promise<string> {
  const signal = AbortSignal.timeout(fetchTimeoutMs);
  const { statusCode, body } = await request(url, { signal, headersTimeout: fetchTimeoutMs });
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxListBytes) throw new Error(`answers with more than ${maxListBytes} bytes`);
    chunks.push(chunk);
  }
  if (statusCode !== 200) throw new Error(`answers with status ${statusCode}`);
  return Buffer.concat(chunks).toString('utf8');
}

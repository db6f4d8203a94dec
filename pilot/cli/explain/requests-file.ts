/** `--requests FILE`: a YAML list of requests, each with what is expected of it. */
import { readFile } from 'node:fs/promises';
import { childPath, show } from '../../../crds/findings.ts';
import { parseYaml } from '../../../crds/yaml-document.ts';
import { CommandError } from '../exit-code.ts';
import { checkExpectation, type Expectation } from './expectations.ts';
import type { ExplainRequest } from './explanation.ts';
import { readRequest } from './request-options.ts';

export interface RequestCase {
  readonly request: ExplainRequest;
  readonly expectations: readonly Expectation[];
  /** `file:line`; undefined for the request of the command line. */
  readonly place: string | undefined;
}

const fields: ReadonlySet<string> = new Set(['url', 'method', 'headers', 'expect']);

/** A CommandError with one line per fault. */
export async function readRequestsFile(file: string): Promise<RequestCase[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(error.code === 'ENOENT' ? `${file}: no such file or directory` : error.message);
  });
  const { documents, error } = parseYaml(text);
  if (error !== undefined) throw new CommandError(`${file}:${error.line}: ${error.message}`);
  const faults: string[] = [];
  const cases = documents.flatMap((document) => {
    const { value } = document;
    const lineOf = (path: string): number => document.lineOf(path);
    if (!Array.isArray(value)) {
      faults.push(`${file}:${lineOf('')}: must be a list of requests, got ${show(value)}`);
      return [];
    }
    return value.flatMap((entry: unknown, i): RequestCase[] => {
      try {
        return [readCase(entry, `${file}:${lineOf(`[${i}]`)}`)];
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        faults.push(`${file}:${lineOf(`[${i}]`)}: ${error.message}`);
        return [];
      }
    });
  });
  if (faults.length > 0) throw new CommandError(`nothing was explained\n${faults.join('\n')}`);
  if (cases.length === 0) throw new CommandError(`${file}: holds no request`);
  return cases;
}

function readCase(entry: unknown, place: string): RequestCase {
  const { url, method = 'GET', headers, expect, ...rest } = readMap(entry, 'a request');
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new CommandError(`unknown field ${unknown}, known are ${[...fields].join(', ')}`);
  if (typeof url !== 'string') throw new CommandError(`url must be a string, got ${show(url)}`);
  if (typeof method !== 'string') throw new CommandError(`method must be a string, got ${show(method)}`);
  const request = readRequest({ url, method, headers: readTexts(headers ?? {}, 'headers') });
  const expectations = readTexts(expect ?? {}, 'expect').map(([key, value]) => checkExpectation({ key, value }));
  return { request, expectations, place };
}

function readMap(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new CommandError(`${what} must be a map, got ${show(value)}`);
}

function readTexts(value: unknown, what: string): [name: string, text: string][] {
  return Object.entries(readMap(value, what)).map(([name, text]) => {
    if (typeof text !== 'string' && typeof text !== 'number') {
      throw new CommandError(`${childPath(what, name)} must be a string, got ${show(text)}`);
    }
    return [name, String(text)];
  });
}

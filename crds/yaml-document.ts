/** YAML and JSON text with positions: which line a field was written on. */
import {
  constructFromEvents,
  CORE_SCHEMA,
  EVENT_ID,
  type Event,
  getScalarValue,
  parseEvents,
  YAMLException,
} from 'js-yaml';
import { childPath } from './findings.ts';

export interface SourceError {
  /** One-based. */
  readonly line: number;
  readonly message: string;
}

export interface YamlDocument {
  readonly value: unknown;
  /** The line of the value at `path` (`spec.http[0]`), or of the nearest part around it that was written; one-based. */
  lineOf(path: string): number;
}

/** Rules nest a dozen levels deep. */
const maxDepth = 64;
/** Aliases repeat what they name: a few lines can stand for millions of values. */
const maxValues = 100_000;

/** All documents of `text`, or the first fault of its syntax: a broken file has no reliable rest. */
export function parseYaml(text: string): { documents: YamlDocument[]; error?: SourceError } {
  const lines = new LineIndex(text);
  let events: Event[];
  let values: unknown[];
  try {
    events = parseEvents(text, { maxDepth });
    values = constructFromEvents(events, { source: text, schema: CORE_SCHEMA });
  } catch (error) {
    return { documents: [], error: describe(error) };
  }
  const documents: YamlDocument[] = [];
  let start = 0;
  for (const value of values) {
    const { positions, end, forbidden } = readPositions(events, start, text);
    start = end;
    const firstLine = lines.lineAt(positions.get('') ?? 0);
    if (forbidden !== undefined) {
      return { documents: [], error: { line: lines.lineAt(forbidden), message: 'the key __proto__ is not allowed' } };
    }
    if (!hasAtMost(maxValues, value)) {
      return {
        documents: [],
        error: { line: firstLine, message: `holds more than ${maxValues} values, counting what aliases repeat` },
      };
    }
    documents.push({ value, lineOf: (path) => lines.lineAt(nearestPosition(positions, path)) });
  }
  return { documents };
}

function describe(error: unknown): SourceError {
  if (!(error instanceof YAMLException))
    return { line: 1, message: error instanceof Error ? error.message : String(error) };
  return { line: (error.mark?.line ?? 0) + 1, message: error.reason };
}

interface Positions {
  /** Path → offset in the text; `''` is the document itself. */
  readonly positions: Map<string, number>;
  /** Index of the event behind the document. */
  readonly end: number;
  /** Offset of a key that must not be. */
  readonly forbidden: number | undefined;
}

/** Walks the events of one document, which starts at `start`. An alias keeps the place where it stands. */
function readPositions(events: readonly Event[], start: number, text: string): Positions {
  const positions = new Map<string, number>();
  let forbidden: number | undefined;
  let next = start + 1;

  const readValue = (path: string, keyOffset: number | undefined): void => {
    const event = events[next];
    next += 1;
    if (event === undefined || event.type === EVENT_ID.POP || event.type === EVENT_ID.DOCUMENT) return;
    positions.set(path, keyOffset ?? offsetOf(event));
    if (event.type === EVENT_ID.SEQUENCE) readItems(path);
    if (event.type === EVENT_ID.MAPPING) readFields(path);
  };
  const readItems = (path: string): void => {
    for (let index = 0; !isEnd(); index += 1) readValue(`${path}[${index}]`, undefined);
    next += 1;
  };
  const readFields = (path: string): void => {
    while (!isEnd()) {
      const key = events[next];
      next += 1;
      const name = key?.type === EVENT_ID.SCALAR ? getScalarValue(text, key) : '';
      const offset = key === undefined ? undefined : offsetOf(key);
      if (name === '__proto__') forbidden ??= offset;
      readValue(childPath(path, name), offset);
    }
    next += 1;
  };
  const isEnd = (): boolean => next >= events.length || events[next]?.type === EVENT_ID.POP;

  readValue('', undefined);
  return { positions, end: next + 1, forbidden };
}

function offsetOf(event: Event): number {
  if (event.type === EVENT_ID.SCALAR) return event.valueStart;
  if (event.type === EVENT_ID.ALIAS) return event.anchorStart;
  return event.type === EVENT_ID.SEQUENCE || event.type === EVENT_ID.MAPPING ? event.start : 0;
}

function nearestPosition(positions: ReadonlyMap<string, number>, path: string): number {
  let at = path;
  for (;;) {
    const offset = positions.get(at);
    if (offset !== undefined && offset >= 0) return offset;
    if (at === '') return 0;
    at = at.slice(0, Math.max(0, at.lastIndexOf('.'), at.lastIndexOf('[')));
  }
}

/** Counts what aliases stand for as often as they stand there; stops early. A circle never ends, so it is too many. */
function hasAtMost(limit: number, root: unknown): boolean {
  const waiting: unknown[] = [root];
  for (let count = 0; waiting.length > 0; count += 1) {
    if (count > limit) return false;
    const value = waiting.pop();
    if (typeof value === 'object' && value !== null) for (const child of Object.values(value)) waiting.push(child);
    if (waiting.length > limit) return false;
  }
  return true;
}

class LineIndex {
  readonly #starts: number[] = [0];

  constructor(text: string) {
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1);
  }

  /** One-based. */
  lineAt(offset: number): number {
    let [low, high] = [0, this.#starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low + 1;
  }
}

/** RFC 6902: what `kubectl patch --type=json` sends, operations one after the other. */
import { ApiError } from './status.ts';

export const jsonPatchType = 'application/json-patch+json';

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/** Kubernetes' limit. */
const maxOperations = 10_000;
/** A few dozen copies of copies would fill the memory. */
const maxCopiedChars = 3 * 1024 * 1024;

/** `target` with all operations; it stays as it is. Throws ApiError for the first that cannot be done. */
export function jsonPatch(target: unknown, patch: readonly unknown[]): unknown {
  if (patch.length > maxOperations) {
    throw new ApiError('RequestEntityTooLarge', `a JSON patch has at most ${maxOperations} operations`);
  }
  let patched = target;
  let copiedChars = 0;
  for (const [index, each] of patch.entries()) {
    const operation = readOperation(each, index);
    patched = apply(patched, operation, index);
    if (operation.op !== 'copy') continue;
    copiedChars += JSON.stringify(find(patched, pointerOf(operation.from ?? '', index), index))?.length ?? 0;
    if (copiedChars > maxCopiedChars) throw refuse(index, 'copies too much');
  }
  return patched;
}

function readOperation(value: unknown, index: number): Operation {
  const { op, path, from, ...rest } = (typeof value === 'object' && value !== null ? value : {}) as Partial<Operation>;
  if (typeof op !== 'string' || typeof path !== 'string') throw refuse(index, 'must have op and path, texts');
  const needsFrom = op === 'move' || op === 'copy';
  if (needsFrom && typeof from !== 'string') throw refuse(index, `${op} must have from, a text`);
  const needsValue = op === 'add' || op === 'replace' || op === 'test';
  if (needsValue && !Object.hasOwn(rest, 'value')) throw refuse(index, `${op} must have a value`);
  if (!needsFrom && !needsValue && op !== 'remove') throw refuse(index, `op ${JSON.stringify(op)} is not known`);
  return { op, path, ...rest, ...(from === undefined ? {} : { from }) };
}

function apply(target: unknown, { op, path, from = '', value }: Operation, index: number): unknown {
  const at = pointerOf(path, index);
  switch (op) {
    case 'test':
      if (isEqual(find(target, at, index), value)) return target;
      throw refuse(index, `${path} is not what test expects`);
    case 'remove':
      find(target, at, index);
      return change(target, at, { index, act: 'remove', value: undefined });
    case 'replace':
      find(target, at, index);
      return change(target, at, { index, act: 'replace', value });
    case 'move':
    case 'copy': {
      const source = pointerOf(from, index);
      const moved = find(target, source, index);
      if (op === 'move' && path.startsWith(`${from}/`)) throw refuse(index, `${from} cannot move into itself`);
      const rest = op === 'copy' ? target : change(target, source, { index, act: 'remove', value: undefined });
      return change(rest, at, { index, act: 'add', value: moved });
    }
    default:
      return change(target, at, { index, act: 'add', value });
  }
}

/** RFC 6901. */
function pointerOf(text: string, index: number): readonly string[] {
  if (text === '') return [];
  if (!text.startsWith('/') || /~(?![01])/.test(text))
    throw refuse(index, `${JSON.stringify(text)} is no JSON pointer`);
  const parts = text
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (parts.includes('__proto__')) throw refuse(index, 'the key __proto__ is not allowed');
  return parts;
}

function find(target: unknown, path: readonly string[], index: number): unknown {
  let found = target;
  for (const part of path) {
    const key = Array.isArray(found) ? String(itemIndex(part, found.length - 1, index)) : part;
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) {
      throw refuse(index, `there is nothing at /${path.join('/')}`);
    }
    found = Reflect.get(found, key);
  }
  return found;
}

interface Edit {
  /** Of the operation. */
  readonly index: number;
  readonly act: 'add' | 'replace' | 'remove';
  readonly value: unknown;
}

function change(target: unknown, path: readonly string[], edit: Edit): unknown {
  const [part, ...rest] = path;
  if (part === undefined) return edit.act === 'remove' ? null : edit.value;
  if (Array.isArray(target)) return changeList(target, part, { rest, edit });
  if (typeof target !== 'object' || target === null) throw refuse(edit.index, `${part} is within no object`);
  const { [part]: before, ...others } = target as Record<string, unknown>;
  if (rest.length === 0 && edit.act === 'remove') return others;
  if (rest.length > 0 && !Object.hasOwn(target, part)) throw refuse(edit.index, `there is no ${part}`);
  return { ...target, [part]: rest.length === 0 ? edit.value : change(before, rest, edit) };
}

function changeList(
  list: readonly unknown[],
  part: string,
  { rest, edit }: { readonly rest: readonly string[]; readonly edit: Edit },
): unknown[] {
  const isAdding = rest.length === 0 && edit.act === 'add';
  const at =
    isAdding && part === '-' ? list.length : itemIndex(part, isAdding ? list.length : list.length - 1, edit.index);
  if (isAdding) return [...list.slice(0, at), edit.value, ...list.slice(at)];
  if (rest.length === 0 && edit.act === 'remove') return [...list.slice(0, at), ...list.slice(at + 1)];
  const value = rest.length === 0 ? edit.value : change(list[at], rest, edit);
  return [...list.slice(0, at), value, ...list.slice(at + 1)];
}

function itemIndex(part: string, last: number, index: number): number {
  const at = /^(?:0|[1-9]\d{0,8})$/.test(part) ? Number(part) : Number.NaN;
  if (at <= last) return at;
  throw refuse(index, `${JSON.stringify(part)} is no place in the list`);
}

function isEqual(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const [left, right] = [Object.entries(a), new Map<string, unknown>(Object.entries(b))];
  if (Array.isArray(a) !== Array.isArray(b) || left.length !== right.size) return false;
  return left.every(([key, value]) => right.has(key) && isEqual(value, right.get(key)));
}

function refuse(index: number, message: string): ApiError {
  return new ApiError('Invalid', `operation ${index} of the JSON patch: ${message}`);
}

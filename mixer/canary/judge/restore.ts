/** A state that was kept as JSON, by this version of the judge or another. */
import type { Decoded } from '../../../proxy/common/decoded.ts';
import { createJudge, type JudgeState, stateFormat } from './judge.ts';

/**
 * Undoes JSON. Refused is what `look` could not go on from: another format, a missing part, a number that is none.
 * A release whose state is refused begins its evidence anew; it never decides on a part of it.
 */
export function restoreJudge(json: unknown): Decoded<JudgeState> {
  const state = json as JudgeState;
  if (typeof json !== 'object' || json === null || state.format !== stateFormat) {
    return { errors: [{ path: 'format', message: `must be ${stateFormat}, got ${formatOf(json)}` }] };
  }
  const fault =
    findDifference(exampleConfig, state.config, 'config') ??
    findDifference(createJudge(state.config, undefined), json, '') ??
    findLatencyFault(state.latency);
  return fault === undefined ? { value: state } : { errors: [fault] };
}

const exampleConfig = {
  alpha: 0.01,
  maxErrorRatio: 1.5,
  maxErrorRateIncrease: 0.01,
  maxLatencyRatio: 1.25,
  minRequests: 1,
};
/** A baseline that yields an edge. */
const exampleBaseline = [...Array.from({ length: 19 }, () => 1), 1];

function formatOf(json: unknown): string {
  return isObject(json) ? String(json['format']) : String(json);
}

function findLatencyFault(latency: readonly unknown[]): { path: string; message: string } | undefined {
  const [edge] = createJudge(exampleConfig, exampleBaseline).latency;
  for (const [i, came] of latency.entries()) {
    const fault = findDifference(edge, came, `latency[${i}]`);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Where `came` has not the shape of `model`; arrays that are empty in the model may have any length. */
function findDifference(model: unknown, came: unknown, path: string): { path: string; message: string } | undefined {
  if (typeof model === 'number') {
    return Number.isFinite(came) ? undefined : { path, message: `must be a number, got ${JSON.stringify(came)}` };
  }
  if (typeof model === 'string') {
    return typeof came === 'string' ? undefined : { path, message: `must be a string, got ${JSON.stringify(came)}` };
  }
  if (Array.isArray(model)) {
    if (!Array.isArray(came)) return { path, message: `must be a list, got ${JSON.stringify(came)}` };
    if (model.length > 0 && came.length !== model.length) {
      return { path, message: `must have ${model.length} items, got ${came.length}` };
    }
    return firstFault(model.map((item, i) => findDifference(item, came[i], `${path}[${i}]`)));
  }
  if (!isObject(came)) return { path, message: `must be an object, got ${JSON.stringify(came)}` };
  return firstFault(
    Object.entries(model as object).map(([key, value]) =>
      findDifference(value, came[key], path === '' ? key : `${path}.${key}`),
    ),
  );
}

function firstFault<T>(faults: readonly (T | undefined)[]): T | undefined {
  return faults.find((fault) => fault !== undefined);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

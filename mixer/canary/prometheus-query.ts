/** Instant queries to Prometheus. Source: prometheus.io/docs/prometheus/latest/querying/api. */
import type { HttpCaller } from './http-caller.ts';

/** The one number of a query, or why there is none. No number is never a pass. */
export type QueryResult = { readonly value: number; readonly fault?: undefined } | { readonly fault: string };

const timeoutMs = 5000;

export async function queryPrometheus(caller: HttpCaller, address: string, query: string): Promise<QueryResult> {
  const url = `${address.replace(/\/+$/, '')}/api/v1/query?query=${encodeURIComponent(query)}`;
  const answer = await caller.call({ url, method: 'GET', headers: { accept: 'application/json' }, timeoutMs });
  if (answer.fault !== undefined) return { fault: answer.fault };
  if (answer.status !== 200) return { fault: `Prometheus answered with HTTP status ${answer.status}` };
  return readResult(answer.text);
}

interface QueryAnswer {
  readonly status?: unknown;
  readonly data?: { readonly resultType?: unknown; readonly result?: unknown };
}

function readResult(text: string): QueryResult {
  const answer = parse(text);
  if (answer?.status !== 'success') return { fault: 'Prometheus did not answer with a result' };
  const { resultType, result } = answer.data ?? {};
  if (resultType === 'scalar') return readPoint(result);
  if (resultType !== 'vector' || !Array.isArray(result))
    return { fault: 'the query gives neither a vector nor a scalar' };
  if (result.length !== 1) return { fault: `the query gives ${result.length} series, one is needed` };
  return readPoint((result[0] as { value?: unknown } | null)?.value);
}

/** `[seconds, "number"]` */
function readPoint(point: unknown): QueryResult {
  const text: unknown = Array.isArray(point) ? point[1] : undefined;
  const value = typeof text === 'string' && text.trim() !== '' ? Number(text) : Number.NaN;
  return Number.isFinite(value)
    ? { value }
    : { fault: `the query gives ${String(text).slice(0, 40)}, which is no data` };
}

function parse(text: string): QueryAnswer | undefined {
  try {
    const value = JSON.parse(text) as QueryAnswer | null;
    return value ?? undefined;
  } catch {
    return undefined;
  }
}

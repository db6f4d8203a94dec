/** How the answer to a watch begins, and how long it lasts. */
import type { ServerResponse } from 'node:http';
import { ApiError } from './status.ts';

const defaultSeconds = 1800;
const maxSeconds = 3600;

export function beginWatch(response: ServerResponse): void {
  // A connection that was kept would hold up the server's end.
  const headers = { 'content-type': 'application/json', 'x-content-type-options': 'nosniff', connection: 'close' };
  response.writeHead(200, headers);
  // Clients wait for the head before they trust the watch.
  response.flushHeaders();
}

/** Of `timeoutSeconds`. */
export function watchTimeoutMs(query: URLSearchParams): number {
  const text = query.get('timeoutSeconds') ?? '';
  if (text === '') return defaultSeconds * 1_000;
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (seconds > 0) return Math.min(seconds, maxSeconds) * 1_000;
  throw new ApiError('BadRequest', `timeoutSeconds must be a whole number above 0, got ${JSON.stringify(text)}`);
}

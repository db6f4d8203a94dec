/** Envoy's names of HTTP statuses (`envoy.type.v3.StatusCode`): their phrases without spaces and marks. */
import { STATUS_CODES } from 'node:http';

const statuses: ReadonlyMap<string, number> = new Map(
  Object.entries(STATUS_CODES).map(([status, phrase = '']) => [phrase.replace(/[^A-Za-z]/g, ''), Number(status)]),
);

/** Undefined for a name that is none. */
export function statusOfName(name: string): number | undefined {
  return statuses.get(name);
}

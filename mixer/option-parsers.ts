/** Parsers of the options that the mixer has wherever it runs. A wrong value is a usage error that says what was expected. */
import { InvalidArgumentError } from 'commander';
import { standardUpperBounds } from '../proxy/api/standard-metrics.ts';
import { parseUpperBounds } from './telemetry/exposed-buckets.ts';

/** Where the tokens of shared limits are kept. */
export function parseRedis(text: string): string {
  if (/^rediss?:$/.test(URL.canParse(text) ? new URL(text).protocol : '')) return text;
  throw new InvalidArgumentError('A URL of Redis is expected, for example redis://127.0.0.1:6379.');
}

/** Some of the bounds that histograms are counted by. */
export function parseBounds(text: string): readonly number[] {
  const bounds = parseUpperBounds(text);
  if (bounds !== undefined) return bounds;
  throw new InvalidArgumentError(`Rising bounds are expected, some of ${standardUpperBounds.join(',')}.`);
}

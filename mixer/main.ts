/** Mixer as a process of its own: `node dist/mixer/main.js --help`. On one machine `heddle up` runs it beside pilot. */
import { Command, InvalidArgumentError } from 'commander';
import { createLogger } from '../proxy/common/log.ts';
import { parseBounds, parseRedis } from './option-parsers.ts';
import { defaultLimits } from './options.ts';
import { MixerServer } from './server.ts';

interface Flags {
  readonly host: string;
  readonly mixerPort: number;
  readonly metricsPort: number;
  readonly expireAfter: number;
  readonly pilot?: string;
  readonly redis?: string;
  readonly histogramBuckets?: readonly number[];
}

/** Time for instances to take the end of their streams after SIGTERM. */
const drainMs = 2000;

await new Command('mixer')
  .description(
    'Collects what sidecars report (gRPC), serves it to Prometheus (HTTP), and decides the canaries of a pilot. ' +
      'Ends on SIGTERM or Ctrl-C.',
  )
  .option('--host <ip>', 'address to listen on; there is no authentication', '127.0.0.1')
  .option('--mixer-port <port>', 'where sidecars report to; 0 lets the system choose', parseNumber, 15_030)
  .option('--metrics-port <port>', '/metrics for Prometheus; 0 lets the system choose', parseNumber, 15_014)
  .option('--pilot <url>', "pilot's API; without it no canary is driven", parseUrl)
  .option(
    '--redis <url>',
    'keeps global rate limits for several mixers together, such as redis://127.0.0.1:6379',
    parseRedis,
  )
  .option(
    '--histogram-buckets <bounds>',
    'upper bounds of the buckets that /metrics shows, such as 5,25,100,500,1000; default all that are counted',
    parseBounds,
  )
  .option(
    '--expire-after <seconds>',
    'hide a series that did not change for this long',
    parseNumber,
    defaultLimits.expireAfterMs / 1000,
  )
  .action(run)
  .parseAsync();

async function run({
  host,
  mixerPort,
  metricsPort,
  expireAfter,
  pilot,
  redis,
  histogramBuckets: shownBounds,
}: Flags): Promise<void> {
  const logger = createLogger('heddle');
  const limits = { expireAfterMs: expireAfter * 1000 };
  const mixer = new MixerServer({
    host,
    grpcPort: mixerPort,
    metricsPort,
    limits,
    logger,
    ...(pilot === undefined ? {} : { pilotUrl: pilot }),
    ...(redis === undefined ? {} : { redisUrl: redis }),
    ...(shownBounds === undefined ? {} : { shownBounds }),
  });
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => void mixer.drain(drainMs));
  try {
    await mixer.start();
    const metrics = `http://${host}:${mixer.metricsPort}/metrics`;
    process.stdout.write(`mixer is up: reports ${host}:${mixer.grpcPort}, metrics ${metrics}\n`);
  } catch (error) {
    logger.error('mixer cannot start', { reason: String(error) });
    process.exitCode = 1;
    await mixer.close();
  }
}

function parseNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('A whole number is expected.');
  return Number(text);
}

function parseUrl(text: string): string {
  if (/^https?:$/.test(URL.canParse(text) ? new URL(text).protocol : '')) return text;
  throw new InvalidArgumentError('A URL is expected, for example http://127.0.0.1:15080.');
}

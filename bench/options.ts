/** What one run of the benchmark measures, from the command line. */
import { Command, InvalidArgumentError, Option } from 'commander';

export interface BenchOptions {
  /** Peers to measure, by name; undefined means all. */
  readonly only: readonly string[] | undefined;
  /** Every round starts each peer afresh and measures each body once. */
  readonly rounds: number;
  /** Length of one measured series. */
  readonly seconds: number;
  /** Load before each measured series, not counted. */
  readonly warmupSeconds: number;
  /** Response body sizes in bytes, one table each. */
  readonly bodies: readonly number[];
  /** Connections that the load generator keeps open. */
  readonly connections: number;
  /** File that receives the report as JSON; undefined writes none. */
  readonly json: string | undefined;
}

/** The command; `run` gets the decoded options. Faults of the user end the process with one line and exit code 1. */
export function benchCommand(peerNames: readonly string[], run: (options: BenchOptions) => Promise<void>): Command {
  return new Command('bench')
    .description(
      'Measures Heddle beside other proxies: one run, interleaved rounds, one thread each, one table per body size.',
    )
    .option('--rounds <n>', 'interleaved rounds', positiveInteger, 5)
    .option('--seconds <s>', 'length of one measured series', positiveInteger, 3)
    .option('--warmup-seconds <s>', 'load before each measured series', positiveInteger, 2)
    .option('--bodies <bytes,…>', 'response body sizes', listOf(positiveInteger), [100, 65_536])
    .option('--connections <n>', 'open connections of the load generator', positiveInteger, 64)
    .addOption(
      new Option('--only <peer,…>', `measure only these of ${peerNames.join(', ')}`).argParser(peerList(peerNames)),
    )
    .option('--json <file>', 'also write the report as JSON')
    .allowExcessArguments(false)
    .action((values: Omit<BenchOptions, 'only' | 'json'> & Partial<BenchOptions>) =>
      run({ ...values, only: values.only, json: values.json }),
    );
}

/** wrk takes whole seconds only, and everything else is a count. */
function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value <= 0) {
    throw new InvalidArgumentError(`expected a whole number > 0, got ${text}`);
  }
  return value;
}

function listOf<T>(parse: (text: string) => T): (text: string) => T[] {
  return (text) => text.split(',').map((part) => parse(part.trim()));
}

function peerList(known: readonly string[]): (text: string) => string[] {
  return listOf((name) => {
    if (!known.includes(name)) throw new InvalidArgumentError(`no peer is called ${name}`);
    return name;
  });
}

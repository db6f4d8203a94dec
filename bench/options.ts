/** What one run of the benchmark measures, from the command line: one command per series. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { CanaryOptions } from './canary/run.ts';
import type { InProcessOptions } from './in-process/run.ts';
import type { MixerBenchOptions } from './mixer/measure.ts';

/** What all series share. */
export interface RunOptions {
  /** Peers to measure, by name; undefined means all. */
  readonly only: readonly string[] | undefined;
  /** Every round starts each peer afresh and measures it once. */
  readonly rounds: number;
  /** Length of one measured series. */
  readonly seconds: number;
  /** Load before each measured series, not counted; 0: none. */
  readonly warmupSeconds: number;
  /** Connections that the load generator keeps open. */
  readonly connections: number;
  /** File that receives the report as JSON; undefined writes none. */
  readonly json: string | undefined;
}

export interface BenchOptions extends RunOptions {
  /** Response body sizes in bytes, one table each. */
  readonly bodies: readonly number[];
}

export interface OpenLoopOptions extends RunOptions {
  /** Requests per second; undefined takes `loadPercent` of what the slowest peer can do. */
  readonly rate: number | undefined;
  readonly loadPercent: number;
}

export interface TwoSidecarsOptions extends RunOptions {
  /** Requests per second. */
  readonly rate: number;
}

export interface MemoryOptions extends RunOptions {
  /** Requests of the soak. */
  readonly soakRequests: number;
}

export interface TcpOptions extends RunOptions {
  readonly idleConnections: number;
}

/** A series as the command line sees it. */
export interface SeriesCommand<O extends RunOptions> {
  readonly peerNames: readonly string[];
  readonly run: (options: O) => Promise<void>;
}

/** The series without peers. */
export interface InProcessCommand {
  readonly run: (options: InProcessOptions) => Promise<void>;
}

export interface MixerCommand {
  readonly run: (options: MixerBenchOptions) => Promise<void>;
}

/** Simulations. */
export interface CanaryCommand {
  readonly run: (options: CanaryOptions) => void;
}

export interface SeriesCommands {
  readonly hop: SeriesCommand<BenchOptions>;
  readonly features: SeriesCommand<RunOptions>;
  readonly openLoop: SeriesCommand<OpenLoopOptions>;
  readonly memory: SeriesCommand<MemoryOptions>;
  readonly tcp: SeriesCommand<TcpOptions>;
  readonly originalDestination: SeriesCommand<RunOptions>;
  readonly tls: SeriesCommand<BenchOptions>;
  readonly http2: SeriesCommand<BenchOptions>;
  readonly twoSidecars: SeriesCommand<TwoSidecarsOptions>;
  readonly inProcess: InProcessCommand;
  readonly mixer: MixerCommand;
  readonly canary: CanaryCommand;
}

/** By default. */
type Lengths = Pick<RunOptions, 'rounds' | 'seconds' | 'warmupSeconds'>;

const usualLengths: Lengths = { rounds: 5, seconds: 3, warmupSeconds: 2 };
/** All peers run at once: many short windows, in few rounds. */
const sideBySide: Lengths = { rounds: 3, seconds: 12, warmupSeconds: 5 };

const lengthsOf: Readonly<Record<string, Lengths>> = {
  hop: sideBySide,
  features: sideBySide,
  http2: sideBySide,
  memory: { ...usualLengths, rounds: 1 },
  // At a low rate seconds say little: V8 compiles for the first 8,000 requests, on the core that serves them, and what is
  // measured meanwhile is its compiler.
  'two-sidecars': { ...usualLengths, warmupSeconds: 10 },
};

/** The command with one sub-command per series. Faults of the user end the process with one line and exit code 1. */
export function benchCommand(series: SeriesCommands): Command {
  const {
    hop,
    features,
    openLoop,
    memory,
    tcp,
    originalDestination,
    tls,
    http2,
    twoSidecars,
    inProcess,
    mixer,
    canary,
  } = series;
  const program = new Command('bench').description(
    'Measures Heddle beside other proxies: interleaved rounds in one run.',
  );
  seriesCommand('hop', hop)
    .description('CPU per request of the plain hop, one table per body size (the default)')
    .addOption(bodiesOption());
  seriesCommand('features', features).description('what each feature, switched on alone, costs per request');
  program
    .command('in-process')
    .description('the same in user space alone, without sockets: finer, and no peers')
    .option('--rounds <n>', 'interleaved rounds', positiveInteger, 40)
    .option('--requests <n>', 'per round and feature', positiveInteger, 10_000)
    .allowExcessArguments(false)
    .action(inProcess.run);
  program
    .command('mixer')
    .description('what telemetry costs the mixer and the sidecars')
    .option('--sidecars <n>', 'each reports once a second', positiveInteger, 2_000)
    .option('--series <n>', 'label sets that are live in each metric', positiveInteger, 10_000)
    .option('--seconds <s>', 'length of one measurement', positiveInteger, 5)
    .allowExcessArguments(false)
    .action(mixer.run);
  program
    .command('canary')
    .description("simulated releases: the judge beside Flagger's loop and Kayenta's test on the same traces")
    .option('--releases <n>', 'simulated releases of S1 and S2', positiveInteger, 10_000)
    .option('--json <file>', 'also write the report as JSON')
    .allowExcessArguments(false)
    .action(canary.run);
  seriesCommand('open-loop', openLoop)
    .description('latencies at a fixed rate, counted from the time at which each request was due')
    .option('--load-percent <percent>', 'rate as a share of what the slowest peer can do', percent, 50)
    .option('--rate <n>', 'requests per second instead', positiveInteger);
  seriesCommand('memory', memory)
    .description('resident memory, idle and while a soak runs')
    .option('--soak-requests <n>', 'requests of the soak', positiveInteger, 10_000_000);
  seriesCommand('tcp', tcp)
    .description('bytes, connections and idle connections of raw TCP')
    .option('--idle-connections <n>', 'open files of the proxy are twice as many', positiveInteger, 9_000);
  seriesCommand('original-destination', originalDestination).description(
    'connections that the firewall redirects to the proxy (root, in a network namespace of their own)',
  );
  seriesCommand('tls', tls)
    .description('what ending TLS costs the hop, and what routing by server name costs TLS that is passed on')
    .addOption(bodiesOption());
  seriesCommand('http2', http2)
    .description('requests over shared connections of HTTP/2, in front of HTTP/1.1 and of HTTP/2')
    .addOption(bodiesOption());
  seriesCommand('two-sidecars', twoSidecars)
    .description("latency that the client's and the server's sidecar add at a fixed rate")
    .option('--rate <n>', 'requests per second', positiveInteger, 1_000);
  return program;

  function seriesCommand<O extends RunOptions>(name: string, { peerNames, run }: SeriesCommand<O>): Command {
    const lengths = lengthsOf[name] ?? usualLengths;
    return program
      .command(name, { isDefault: name === 'hop' })
      .option('--rounds <n>', 'interleaved rounds', positiveInteger, lengths.rounds)
      .option('--seconds <s>', 'length of one measured series', positiveInteger, lengths.seconds)
      .option(
        '--warmup-seconds <s>',
        'load before each measured series, 0 for none',
        wholeNumber,
        lengths.warmupSeconds,
      )
      .option('--connections <n>', 'open connections of the load generator', positiveInteger, 64)
      .addOption(
        new Option('--only <peer,…>', `measure only these of ${peerNames.join(', ')}`).argParser(peerList(peerNames)),
      )
      .option('--json <file>', 'also write the report as JSON')
      .allowExcessArguments(false)
      .action(run);
  }
}

function bodiesOption(): Option {
  return new Option('--bodies <bytes,…>', 'response body sizes')
    .argParser(listOf(positiveInteger))
    .default([100, 65_536]);
}

/** wrk takes whole seconds only, and everything else is a count. */
function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value <= 0) {
    throw new InvalidArgumentError(`expected a whole number > 0, got ${text}`);
  }
  return value;
}

function wholeNumber(text: string): number {
  return text === '0' ? 0 : positiveInteger(text);
}

function percent(text: string): number {
  const value = positiveInteger(text);
  if (value > 100) throw new InvalidArgumentError(`expected at most 100, got ${text}`);
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

/** The load generator of HTTP/2: h2load, one thread, by prior knowledge, on the core that it shares with the backend. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bodyPath } from '../backend.ts';
import { requireExecutable } from '../executable.ts';
import { type LoadGenerator, type LoadPlan, type LoadResult, loadFault, serviceHost } from '../load.ts';
import { loadCore, pinned } from '../processes.ts';

/** So many of the requests that are under way share one connection, as calls of gRPC do. */
const streamsPerConnection = 8;

export class Http2Load implements LoadGenerator {
  readonly #h2load = requireExecutable('h2load', 'nghttp2-client');
  readonly #logFile: string;
  readonly #abort: AbortSignal;

  constructor(directory: string, abort: AbortSignal) {
    this.#logFile = join(directory, 'h2load.log');
    this.#abort = abort;
  }

  async check({ port, bodyBytes }: LoadPlan): Promise<void> {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    try {
      const stream = session.request({ ':path': bodyPath(bodyBytes), ':authority': serviceHost });
      stream.setTimeout(5_000, () => stream.destroy(new Error('does not answer within 5 s')));
      const [head] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader];
      let bytes = 0;
      stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
      await once(stream, 'end');
      if (head[':status'] !== 200) throw new Error(`answers ${head[':status']} instead of 200`);
      if (bytes !== bodyBytes) throw new Error(`answers ${bytes} body bytes instead of ${bodyBytes}`);
    } finally {
      session.destroy();
    }
  }

  async run(plan: LoadPlan): Promise<LoadResult> {
    const streams = Math.min(streamsPerConnection, plan.connections);
    const [command = '', ...args] = pinned(loadCore, [
      this.#h2load,
      `--clients=${Math.ceil(plan.connections / streams)}`,
      `--max-concurrent-streams=${streams}`,
      `--duration=${plan.seconds}`,
      `--log-file=${this.#logFile}`,
      // What is measured are proxies, not the windows of their client.
      '--window-bits=24',
      '--connection-window-bits=26',
      ...[`:authority: ${serviceHost}`, ...plan.headers].map((line) => `--header=${line}`),
      `http://127.0.0.1:${plan.port}${bodyPath(plan.bodyBytes)}`,
    ]);
    const { stdout } = await promisify(execFile)(command, args, { signal: this.#abort });
    const result = parseHttp2Result(stdout, readFileSync(this.#logFile, 'latin1'), plan.seconds);
    const fault = loadFault(result, plan);
    if (fault !== undefined) throw new Error(fault);
    return result;
  }
}

/**
 * From what h2load prints, and its log: one line per request, with its start, status and duration in microseconds. Requests
 * that were under way at the end count neither as answered nor as failed.
 */
export function parseHttp2Result(stdout: string, log: string, seconds: number): LoadResult {
  const counts = /^requests: .* (\d+) succeeded, (\d+) failed/m.exec(stdout);
  const statuses = /^status codes: (\d+) 2xx/m.exec(stdout);
  const traffic = /^traffic: \S+ \((\d+)\) total/m.exec(stdout);
  if (counts === null || statuses === null || traffic === null) {
    throw new Error(`h2load printed no result: ${JSON.stringify(stdout.slice(-500))}`);
  }
  const requests = Number(counts[1]);
  const durations = durationsOf(log);
  const at = (share: number): number => durations[Math.floor(durations.length * share)] ?? 0;
  return {
    requests,
    durationUs: seconds * 1e6,
    bytes: Number(traffic[1]),
    p50Us: at(0.5),
    p99Us: at(0.99),
    errors: Number(counts[2]) + requests - Number(statuses[1]),
  };
}

/** In ascending order. */
function durationsOf(log: string): Float64Array {
  const durations = log
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Number(line.split('\t')[2]));
  return Float64Array.from(durations).sort();
}

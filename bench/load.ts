/** The load generator: wrk, one thread, on the core that it shares with the backend. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Agent, request } from 'undici';
import { bodyPath } from './backend.ts';
import { requireExecutable } from './executable.ts';
import { loadCore, pinned } from './processes.ts';

/** Every peer is asked for the same service, so that all of them carry the same bytes. */
export const serviceHost = 'ftgo-consumer-service';

/** Of every TLS connection: the name in certificates, and what proxies route by that do not end TLS. */
export const tlsServerName = 'localhost';

/** No response head of any peer is longer; bounds the bytes that a correct series may have read. */
const maxHeadBytes = 1_024;

export interface LoadPlan {
  /** IPv4; default: loopback. Of no meaning over TLS. */
  readonly address?: string;
  readonly port: number;
  readonly bodyBytes: number;
  readonly connections: number;
  /** Whole. */
  readonly seconds: number;
  /** Of every request, besides Host: `name: value`. */
  readonly headers: readonly string[];
  /** PEM of the certificate that the proxy must show; undefined speaks plain HTTP. */
  readonly certificate?: string;
}

/** What was counted. Times in microseconds, sizes in bytes with the heads. */
export interface LoadResult {
  readonly requests: number;
  readonly durationUs: number;
  readonly bytes: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Failed connects, reads and writes, time-outs and statuses other than 2xx and 3xx. */
  readonly errors: number;
}

/** wrk's own text rounds; a `done` function sees the exact numbers and costs nothing while requests run. */
const reportScript = `
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"durationUs":%d,"bytes":%d,"p50Us":%d,"p99Us":%d,"errors":%d}\\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
`;

/** Asks a proxy for as long as it is told, and says how that went. */
export interface LoadGenerator {
  /** One request, looked at closely; rejects with what is wrong with the answer. */
  check(plan: LoadPlan): Promise<void>;
  /** Load for `plan.seconds`; rejects when any response was wrong. */
  run(plan: LoadPlan): Promise<LoadResult>;
}

export class Load implements LoadGenerator {
  readonly #wrk = requireExecutable('wrk', 'wrk');
  readonly #script: string;
  readonly #abort: AbortSignal;

  constructor(directory: string, abort: AbortSignal) {
    this.#script = join(directory, 'report.lua');
    this.#abort = abort;
    writeFileSync(this.#script, reportScript);
  }

  async check(plan: LoadPlan): Promise<void> {
    const { bodyBytes, certificate } = plan;
    const dispatcher = new Agent(certificate === undefined ? {} : { connect: { ca: certificate } });
    const response = await request(urlOf(plan), {
      dispatcher,
      // undici asks TLS for the server that Host names.
      headers: certificate === undefined ? { host: serviceHost } : {},
      headersTimeout: 5_000,
      bodyTimeout: 5_000,
    });
    const body = await response.body.arrayBuffer();
    await dispatcher.close();
    if (response.statusCode !== 200) throw new Error(`answers ${response.statusCode} instead of 200`);
    if (body.byteLength !== bodyBytes) throw new Error(`answers ${body.byteLength} body bytes instead of ${bodyBytes}`);
  }

  async run(plan: LoadPlan): Promise<LoadResult> {
    const [command = '', ...args] = pinned(loadCore, [
      this.#wrk,
      '--threads=1',
      `--connections=${plan.connections}`,
      `--duration=${plan.seconds}s`,
      ...[`Host: ${serviceHost}`, ...plan.headers].map((line) => `--header=${line}`),
      `--script=${this.#script}`,
      urlOf(plan),
    ]);
    const { stdout } = await promisify(execFile)(command, args, { signal: this.#abort });
    const result = parseLoadResult(stdout);
    const fault = loadFault(result, plan);
    if (fault !== undefined) throw new Error(fault);
    return result;
  }
}

/** Over TLS the host of the address is the server name that is asked for. */
function urlOf({ address = '127.0.0.1', port, bodyBytes, certificate }: LoadPlan): string {
  const origin = certificate === undefined ? `http://${address}` : `https://${tlsServerName}`;
  return `${origin}:${port}${bodyPath(bodyBytes)}`;
}

/** Finds the line of `reportScript` in wrk's output. */
export function parseLoadResult(stdout: string): LoadResult {
  const line = stdout.split('\n').find((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`wrk printed no result: ${JSON.stringify(stdout.slice(-500))}`);
  return JSON.parse(line) as LoadResult;
}

/** Why a series does not count: errors, no requests, or more or fewer bytes than that many whole responses have. */
export function loadFault(result: LoadResult, { bodyBytes, connections }: LoadPlan): string | undefined {
  if (result.errors > 0) return `${result.errors} of ${result.requests} requests failed`;
  if (result.requests === 0) return 'no request was answered';
  const fewest = result.requests * bodyBytes;
  // A response may still be under way on every connection when the time is over.
  const most = (result.requests + connections) * (bodyBytes + maxHeadBytes);
  if (result.bytes >= fewest && result.bytes <= most) return undefined;
  return `${result.requests} responses had ${result.bytes} bytes, expected ${fewest} to ${most}`;
}

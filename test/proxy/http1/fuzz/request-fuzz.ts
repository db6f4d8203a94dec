/**
 * Request smuggling, searched for at random: what the proxy believes it forwarded, what llhttp reads at the backend from
 * the bytes that came there, and what llhttp reads from the client's bytes must be the same requests.
 */
import { METHODS, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { routeConfiguration, routeTo, staticCluster } from '../../../support/envoy-json.ts';
import { type FinishedStream, ProxyParts } from '../../../support/proxy-parts.ts';
import { RawClient } from '../../../support/raw-client.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { until } from '../../../support/turns.ts';
import { malformedRequests } from '../malformed-requests.ts';
import { wellFormedRequests } from '../well-formed-requests.ts';
import { Dice } from './dice.ts';
import { endToEndHeaders } from './end-to-end-headers.ts';
import { type FuzzInput, type FuzzPlan, type FuzzResult, type Verdict, runInputs } from './fuzz-run.ts';
import { type ReadRequest, createRecordingServer, readWithLlhttp } from './llhttp-reader.ts';
import { MessageGrammar } from './message-grammar.ts';
import { mutatedCorpus } from './message-mutator.ts';

/** Mostly what is forwarded: from there it is one step to what should not be. Long requests say nothing more. */
const corpus = [wellFormedRequests, wellFormedRequests, wellFormedRequests, malformedRequests]
  .flatMap((cases) => cases.map(({ send }) => send))
  .filter(({ length }) => length < 600);

/**
 * Where llhttp may refuse what the proxy takes: it reads chunk extensions and trailers, which the proxy drops, and obeys
 * what a trailer says of the connection. It takes a tab behind a length, a coding or a connection option for a part of it,
 * where RFC 9110 §5.5 sees white space.
 */
function isExcused(fault: string | undefined, input: string): boolean {
  if (fault === 'HPE_STRICT') return chunkExtension.test(input);
  if (fault === 'HPE_CLOSED_CONNECTION') return trailer.test(input) || tabBehindOption.test(input);
  return fault !== undefined && framingFaults.has(fault) && (trailer.test(input) || tabBehindFraming.test(input));
}

const chunkExtension = /(?:^|\n)[0-9a-f]+;/i;
const trailer = /(?:^|\n)0+(?:;[^\n]*)?\r\n[^\r]/;
const tabBehindOption = /connection:[^\r\n]*\t[ \t]*\r\n/i;
const tabBehindFraming = /(?:content-length|transfer-encoding):[^\r\n]*\t[ \t]*\r\n/i;
const framingFaults = new Set([
  'HPE_INVALID_TRANSFER_ENCODING',
  'HPE_UNEXPECTED_CONTENT_LENGTH',
  'HPE_INVALID_CONTENT_LENGTH',
]);

/**
 * Behind these node:http may hand the connection over and read no more requests from it. PRI, which is how HTTP/2 begins, has
 * it forget even the request before, when both come in one read.
 */
const handsOver = /\r\n[Uu][Pp][Gg][Rr][Aa][Dd][Ee][ \t]*:|CONNECT|PRI /;

/** Half of the inputs are the corpus damaged, half are built from the grammar. */
export async function fuzzRequests(plan: FuzzPlan): Promise<FuzzResult> {
  const harness = await RequestHarness.start();
  const dice = new Dice(seededRandom(plan.seed));
  const grammar = new MessageGrammar(dice);
  try {
    const next = (): FuzzInput => dice.cut(dice.once(2) ? mutatedCorpus(corpus, dice) : grammar.requests());
    return await runInputs(plan, next, ({ text, pieces }) => harness.judge(text, pieces));
  } finally {
    await harness.close();
  }
}

export class RequestHarness {
  readonly #backend: Server;
  readonly #proxy: ProxyParts;
  /** What llhttp read from the bytes that the proxy sent. */
  readonly #received: ReadRequest[];
  /** What llhttp refused of them. */
  readonly #refused: string[] = [];
  /** The request that the backend read last, of whatever input. */
  #lastRead = 'nothing';

  private constructor(backend: Server, proxy: ProxyParts, received: ReadRequest[]) {
    this.#backend = backend;
    this.#proxy = proxy;
    this.#received = received;
    backend.on('request', ({ method, url, rawHeaders }) => {
      this.#lastRead = `${method} ${url} ${JSON.stringify(rawHeaders)}`;
    });
    backend.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      // A request that the proxy itself gave up half-way is not malformed.
      if (error.code !== 'ECONNRESET' && error.code !== 'HPE_INVALID_EOF_STATE') this.#refused.push(error.message);
      socket.destroy();
    });
  }

  static async start(): Promise<RequestHarness> {
    const received: ReadRequest[] = [];
    const backend = createRecordingServer((request) => received.push(request));
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
    const proxy = new ProxyParts({
      routes: routeConfiguration([routeTo('backend')]),
      // The backend grants none: what follows such a request must be read as the next one on both sides.
      manager: { upgrade_configs: [{ upgrade_type: 'websocket' }] },
      clusters: [staticCluster('backend', [(backend.address() as AddressInfo).port])],
    });
    return new RequestHarness(backend, await proxy.start(), received);
  }

  async close(): Promise<void> {
    await this.#proxy.close();
    this.#backend.closeAllConnections();
    this.#backend.close();
  }

  async judge(input: string, pieces: readonly string[]): Promise<Verdict> {
    const believed = await this.#send(pieces);
    const received = [...this.#received];
    // llhttp knows a list of methods, and a proxy forwards any.
    const isKnown = this.#proxy.finished.every(({ method, host }) => host === undefined || METHODS.includes(method));
    if (!isKnown) return { forwarded: 0, finding: undefined };
    const direct = await readWithLlhttp(Buffer.from(input, 'latin1'));
    const finding =
      this.#faults() ??
      difference(
        'the backend did not receive what was forwarded',
        believed.map(describeBelief),
        received.map(describeRead),
      ) ??
      (handsOver.test(input) ? undefined : compareWithDirect(received, direct.requests)) ??
      (received.length > direct.requests.length && !handsOver.test(input) && !isExcused(direct.fault, input)
        ? `llhttp refuses (${direct.fault ?? 'waits'}) what was forwarded`
        : undefined);
    return { forwarded: received.length, finding };
  }

  #faults(): string | undefined {
    const [refused] = this.#refused;
    if (refused !== undefined) return `the backend refused what was forwarded (${refused})`;
    return this.#proxy.faults.length > 0 ? `a handler threw (${String(this.#proxy.faults[0])})` : undefined;
  }

  /** Sends the pieces and FIN, waits for the end, and returns what the proxy believes it forwarded completely. */
  async #send(pieces: readonly string[]): Promise<FinishedStream[]> {
    this.#received.length = this.#refused.length = this.#proxy.finished.length = 0;
    const client = await RawClient.connect(this.#proxy.port());
    await client.sendPieces(pieces);
    client.end();
    await until(
      () => client.isOver,
      () => `the end of the connection, got ${JSON.stringify(client.text.slice(0, 2_000))}; ${this.#whoWaits()}`,
    );
    client.destroy();
    await until(
      () => this.#proxy.stat('http.test.downstream_rq_active') === 0,
      () => `the end of the stream; ${this.#whoWaits()}`,
    );
    return this.#proxy.finished.filter(
      ({ host, status, flag }) => host !== undefined && status === 200 && flag === '-',
    );
  }

  #whoWaits(): string {
    return describeWait((name) => this.#proxy.stat(name) ?? 0, this.#lastRead);
  }
}

/** Who waits for whom while a client waits for the end of its connection. */
export function describeWait(gauge: (name: string) => number, lastRead: string): string {
  const active = gauge('http.test.downstream_rq_active');
  const pending = gauge('cluster.backend.upstream_rq_pending_active');
  const asked = gauge('cluster.backend.upstream_rq_active');
  if (active === 0) return 'the proxy has no request and does not close';
  if (pending > 0) return `the proxy waits for a connection to the backend, for ${pending} requests`;
  if (asked > 0) return `the proxy waits for the backend, which read last ${lastRead}`;
  return `the proxy has ${active} requests, and none of them waits for the backend`;
}

/** One request in the words of all readers: the target in origin form. */
function describeRead({ method, target, body }: ReadRequest): string {
  const origin = target.replace(/^http:\/\/[^/?]+/i, '');
  return `${method} ${origin.startsWith('/') || origin === '*' ? origin : `/${origin}`} ${body.length}`;
}

function describeBelief({ method, path, requestBytes }: FinishedStream): string {
  return `${method} ${path} ${requestBytes}`;
}

/** Of an absolute-form target the host may come without a header; the proxy adds these two. */
const ownHeaders = new Set(['x-request-id', 'x-forwarded-proto', 'host']);

/** Up to where llhttp stopped, if it did, both must have read the same. */
function compareWithDirect(received: readonly ReadRequest[], direct: readonly ReadRequest[]): string | undefined {
  const describe = (request: ReadRequest): string =>
    JSON.stringify([describeRead(request), request.body, endToEndHeaders(request.headers, ownHeaders)]);
  const common = Math.min(received.length, direct.length);
  return difference(
    'the backend received something else than the client sent',
    direct.slice(0, common).map(describe),
    received.slice(0, common).map(describe),
  );
}

function difference(what: string, expected: readonly string[], came: readonly string[]): string | undefined {
  if (expected.length === came.length && expected.every((text, i) => text === came[i])) return undefined;
  return `${what}, expected ${expected.join(' | ')}, came ${came.join(' | ')}`;
}

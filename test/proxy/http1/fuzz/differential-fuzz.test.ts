/**
 * Request smuggling, searched for at random: what the proxy believes it forwarded, what llhttp reads at the backend from
 * the bytes that came there, and what llhttp reads from the client's bytes must be the same requests.
 *
 * `HEDDLE_FUZZ_INPUTS` and `HEDDLE_FUZZ_SEED` make longer and other runs.
 */
import { METHODS } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { closeAfterTest } from '../../../support/closing.ts';
import { routeConfiguration, routeTo, staticCluster } from '../../../support/envoy-json.ts';
import { type FinishedStream, ProxyParts } from '../../../support/proxy-parts.ts';
import { RawClient } from '../../../support/raw-client.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { until } from '../../../support/turns.ts';
import { malformedRequests } from '../malformed-requests.ts';
import { wellFormedRequests } from '../well-formed-requests.ts';
import { type ReadRequest, createRecordingServer, readWithLlhttp } from './llhttp-reader.ts';
import { MessageMutator } from './message-mutator.ts';

const inputCount = Number(process.env['HEDDLE_FUZZ_INPUTS'] ?? 3_000);
const seed = Number(process.env['HEDDLE_FUZZ_SEED'] ?? 1);

/** Mostly what is forwarded: from there it is one step to what should not be. Long requests say nothing more. */
const seeds = [wellFormedRequests, wellFormedRequests, wellFormedRequests, malformedRequests]
  .flatMap((cases) => cases.map(({ send }) => send))
  .filter(({ length }) => length < 600);

/**
 * Where llhttp may refuse what the proxy takes: in chunk extensions and in trailers that repeat framing headers, neither
 * of which the proxy forwards.
 */
const strictness = [
  'HPE_STRICT',
  'HPE_INVALID_TRANSFER_ENCODING',
  'HPE_UNEXPECTED_CONTENT_LENGTH',
  'HPE_INVALID_CONTENT_LENGTH',
];

/** Behind these node:http hands the connection over and reads no more requests from it. */
const handsOver = /\r\nUpgrade:|CONNECT/i;

class Harness {
  readonly proxy: ProxyParts;
  /** What llhttp read from the bytes that the proxy sent. */
  readonly received: ReadRequest[];
  /** What llhttp refused of them. */
  readonly refused: string[];

  constructor(proxy: ProxyParts, received: ReadRequest[], refused: string[]) {
    this.proxy = proxy;
    this.received = received;
    this.refused = refused;
  }

  static async start(): Promise<Harness> {
    const received: ReadRequest[] = [];
    const refused: string[] = [];
    const backend = createRecordingServer((request) => received.push(request));
    backend.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      // A request that the proxy itself gave up half-way is not malformed.
      if (error.code !== 'ECONNRESET' && error.code !== 'HPE_INVALID_EOF_STATE') refused.push(error.message);
      socket.destroy();
    });
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
    closeAfterTest({
      close: () => {
        backend.closeAllConnections();
        backend.close();
      },
    });
    const proxy = new ProxyParts({
      routes: routeConfiguration([routeTo('backend')]),
      clusters: [staticCluster('backend', [(backend.address() as AddressInfo).port])],
    });
    closeAfterTest(await proxy.start());
    return new Harness(proxy, received, refused);
  }

  /** Sends the pieces and FIN, waits for the end, and returns what the proxy believes it forwarded completely. */
  async send(pieces: readonly string[]): Promise<FinishedStream[]> {
    this.received.length = this.refused.length = this.proxy.finished.length = 0;
    const client = await RawClient.connect(this.proxy.port());
    await client.sendPieces(pieces);
    client.end();
    await client.untilOver();
    client.destroy();
    await until(
      () => this.proxy.stat('http.test.downstream_rq_active') === 0,
      () => 'the end of the stream',
    );
    return this.proxy.finished.filter(({ host, status, flag }) => host !== undefined && status === 200 && flag === '-');
  }
}

/** Readings of one request in the same words: the target in origin form. */
function describeRead({ method, target, body }: ReadRequest): string {
  const origin = target.replace(/^http:\/\/[^/?]+/i, '');
  return `${method} ${origin.startsWith('/') || origin === '*' ? origin : `/${origin}`} ${body.length}`;
}

function describeBelief({ method, path, requestBytes }: FinishedStream): string {
  return `${method} ${path} ${requestBytes}`;
}

it(
  `the backend reads exactly the requests that the proxy forwarded, in ${inputCount} inputs of seed ${seed}`,
  async () => {
    const harness = await Harness.start();
    const random = seededRandom(seed);
    const mutator = new MessageMutator(seeds, random);
    let forwarded = 0;
    for (let i = 0; i < inputCount; i++) {
      const input = mutator.next();
      const at = 1 + mutator.below(Math.max(1, input.length - 1));
      const believed = await harness.send(random() < 0.5 ? [input] : [input.slice(0, at), input.slice(at)]);
      // llhttp knows a list of methods, and a proxy forwards any.
      if (harness.proxy.finished.some(({ method, host }) => host !== undefined && !METHODS.includes(method))) continue;
      const received = harness.received.map(describeRead);
      const where = `input ${i} of seed ${seed}, ${JSON.stringify(input)}`;
      expect(harness.refused, `llhttp refuses nothing that was forwarded: ${where}`).toEqual([]);
      expect(believed.map(describeBelief), `what the backend received: ${where}`).toEqual(received);
      const { requests, fault } = await readWithLlhttp(Buffer.from(input, 'latin1'));
      const direct = requests.map(describeRead);
      const common = Math.min(direct.length, received.length);
      expect(received.slice(0, common), `what llhttp reads from the client: ${where}`).toEqual(direct.slice(0, common));
      if (received.length > direct.length && !handsOver.test(input)) expect(strictness, where).toContain(fault);
      forwarded += received.length;
    }
    // Were nearly everything refused, agreement would say nothing.
    expect(forwarded).toBeGreaterThan(inputCount / 4);
    expect(harness.proxy.faults).toEqual([]);
  },
  30_000 + 20 * inputCount,
);

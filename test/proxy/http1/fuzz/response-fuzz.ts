/**
 * Responses damaged at random: the client gets a well-formed message that llhttp reads from the upstream's bytes too, an
 * error, or a reset, and nothing of it ever becomes part of the next response.
 */
import { CodecProxy } from '../../../support/codec-proxy.ts';
import { type HttpMessage, headerOf, statusOf } from '../../../support/http-message.ts';
import { RawBackend, okResponse } from '../../../support/raw-backend.ts';
import { RawClient } from '../../../support/raw-client.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { turn } from '../../../support/turns.ts';
import { head } from '../request-case.ts';
import { responseCases } from '../response-cases.ts';
import { Dice } from './dice.ts';
import { endToEndHeaders } from './end-to-end-headers.ts';
import { type FuzzInput, type FuzzPlan, type FuzzResult, type Verdict, runInputs } from './fuzz-run.ts';
import { readResponseWithLlhttp } from './llhttp-reader.ts';
import { MessageGrammar } from './message-grammar.ts';
import { mutatedCorpus } from './message-mutator.ts';

const corpus = responseCases
  .filter(({ method, send }) => method === 'GET' && send.length < 600)
  .map(({ send }) => send);
const get = head('GET / HTTP/1.1', 'Host: a');

/** Half of the inputs are the corpus damaged, half are built from the grammar. */
export async function fuzzResponses(plan: FuzzPlan): Promise<FuzzResult> {
  const backend = new RawBackend();
  await backend.start();
  const proxy = await CodecProxy.start({ upstreamPorts: [backend.port] });
  const dice = new Dice(seededRandom(plan.seed));
  const grammar = new MessageGrammar(dice);
  try {
    const next = (): FuzzInput => dice.cut(dice.once(2) ? mutatedCorpus(corpus, dice) : grammar.response());
    const result = await runInputs(plan, next, ({ text, pieces }) => {
      answerWith(backend, pieces);
      return judge(proxy.port, text);
    });
    await proxy.untilQuiet();
    return result;
  } finally {
    await proxy.close();
    await backend.close();
  }
}

/** Answers the first request with `pieces` and FIN, later ones properly. */
function answerWith(backend: RawBackend, pieces: readonly string[]): void {
  backend.clear();
  backend.onRequest = (connection) => {
    backend.onRequest = (later) => later.send(okResponse);
    const send = async (): Promise<void> => {
      for (const piece of pieces) {
        if (connection.socket.writable) connection.send(piece);
        await turn();
      }
      connection.socket.end();
    };
    void send();
  };
}

async function judge(port: number, input: string): Promise<Verdict> {
  const client = await RawClient.connect(port);
  try {
    client.send(get);
    const [response] = await client.untilResponses(1);
    const isForwarded = response !== undefined && headerOf(response, 'x-heddle-reason') === undefined;
    const finding = isForwarded ? await compareWithLlhttp(response, input) : hiddenEnd(client, response);
    return { forwarded: isForwarded ? 1 : 0, finding: finding ?? (await judgeNext(client)) };
  } finally {
    client.destroy();
  }
}

function hiddenEnd(client: RawClient, response: HttpMessage | undefined): string | undefined {
  if (response !== undefined || client.wasReset) return undefined;
  return `what the client got looks like an end, not like an error: ${JSON.stringify(client.text)}`;
}

/** What the proxy adds. */
const ownHeaders = new Set(['x-envoy-upstream-service-time']);

/** llhttp may refuse a response that was forwarded; it must not read another one. */
async function compareWithLlhttp(response: HttpMessage, input: string): Promise<string | undefined> {
  const direct = await readResponseWithLlhttp(Buffer.from(input, 'latin1'));
  if (direct === undefined) return undefined;
  const came = JSON.stringify([statusOf(response), response.body, endToEndHeaders(response.headers, ownHeaders)]);
  const expected = JSON.stringify([direct.status, direct.body, endToEndHeaders(direct.headers, ownHeaders)]);
  return came === expected ? undefined : `the client got ${came}, llhttp reads ${expected}`;
}

async function judgeNext(client: RawClient): Promise<string | undefined> {
  if (client.isOver) return undefined;
  client.send(get);
  const [, next] = await client.untilResponses(2);
  return next?.body === 'ok' ? undefined : `the next response is ${JSON.stringify(next)}`;
}

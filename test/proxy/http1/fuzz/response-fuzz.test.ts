/**
 * Responses damaged at random: the client gets a well-formed message that llhttp reads from the upstream's bytes too, an
 * error, or a reset, and nothing of it ever becomes part of the next response.
 *
 * `HEDDLE_FUZZ_INPUTS` and `HEDDLE_FUZZ_SEED` make longer and other runs.
 */
import { expect, it } from 'vitest';
import { closeAfterTest } from '../../../support/closing.ts';
import { CodecProxy } from '../../../support/codec-proxy.ts';
import { headerOf, statusOf } from '../../../support/http-message.ts';
import { RawBackend, okResponse } from '../../../support/raw-backend.ts';
import { RawClient } from '../../../support/raw-client.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { turn } from '../../../support/turns.ts';
import { head } from '../request-case.ts';
import { responseCases } from '../response-cases.ts';
import { readResponseWithLlhttp } from './llhttp-reader.ts';
import { MessageMutator } from './message-mutator.ts';

const inputCount = Math.ceil(Number(process.env['HEDDLE_FUZZ_INPUTS'] ?? 3_000) / 3);
const seed = Number(process.env['HEDDLE_FUZZ_SEED'] ?? 1);
const seeds = responseCases.filter(({ method, send }) => method === 'GET' && send.length < 600).map(({ send }) => send);
const get = head('GET / HTTP/1.1', 'Host: a');

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

it(
  `clients get what the upstream said or an error, in ${inputCount} inputs of seed ${seed}`,
  async () => {
    const backend = closeAfterTest(new RawBackend());
    await backend.start();
    const proxy = closeAfterTest(await CodecProxy.start({ upstreamPorts: [backend.port] }));
    const random = seededRandom(seed);
    const mutator = new MessageMutator(seeds, random);
    let forwarded = 0;
    for (let i = 0; i < inputCount; i++) {
      const input = mutator.next();
      const at = mutator.below(input.length + 1);
      const where = `input ${i} of seed ${seed}, ${JSON.stringify(input)}`;
      answerWith(backend, random() < 0.5 ? [input] : [input.slice(0, at), input.slice(at)]);
      const client = await RawClient.connect(proxy.port);
      client.send(get);
      const [response] = await client.untilResponses(1);
      if (response === undefined) {
        expect(client.wasReset, `an error that shows: ${where}`).toBe(true);
      } else if (headerOf(response, 'x-heddle-reason') === undefined) {
        const { status, body } = (await readResponseWithLlhttp(Buffer.from(input, 'latin1'))) ?? {};
        if (status !== undefined) expect([statusOf(response), response.body], where).toEqual([status, body]);
        forwarded++;
      }
      if (!client.isOver) {
        client.send(get);
        const [, next] = await client.untilResponses(2);
        expect(next?.body, `the next response: ${where}`).toBe('ok');
      }
      client.destroy();
    }
    expect(forwarded).toBeGreaterThan(inputCount / 4);
    await proxy.untilQuiet();
  },
  30_000 + 20 * inputCount,
);

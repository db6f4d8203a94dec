import { describe, expect, it, onTestFinished } from 'vitest';
import { seededRandom } from '../../../../proxy/common/seeded-random.ts';
import { type Field, decodeBlock, encodeBlock, newDecoder, newEncoder } from './blocks.ts';
import { NodeServer } from './node-server.ts';
import { RandomFields } from './random-fields.ts';

const noAnswer = (): string[] => [':status', '200'];

async function startServer(
  headerTableSize: number,
  answer: (index: number) => string[] = noAnswer,
): Promise<NodeServer> {
  const server = new NodeServer(headerTableSize, answer);
  await server.start();
  onTestFinished(() => server.close());
  // The server's SETTINGS have come once it answers.
  await server.settle();
  return server;
}

/** As Node hands out what it read: it trims no value, but text outside of ASCII and some names are its own matter. */
function forNode(fields: readonly Field[]): Field[] {
  return fields.map(([name, value]) => [name, value.replace(/[^ -~]/g, '~')] as const);
}

describe('nghttp2, which is in Node, reads what our encoder writes', () => {
  it.each([4096, 65_536, 1000, 200, 0])('with a table of %i bytes at its end', async (headerTableSize) => {
    const random = seededRandom(headerTableSize + 1);
    const messages = new RandomFields(random);
    const server = await startServer(headerTableSize);
    const encoder = newEncoder();
    encoder.setPeerTableSize(headerTableSize);
    const sent: Field[][] = [];
    for (let i = 0; i < 300; i++) {
      const fields = forNode([...messages.pseudo(), ...messages.list()]);
      server.send(encodeBlock(encoder, fields));
      sent.push(fields);
      if (i % 20 === 0) await server.settle();
    }
    await server.settle();
    expect(server.requests).toEqual(sent);
  });
});

describe('our decoder reads what nghttp2 writes', () => {
  it('Huffman-coded, indexed and with what is sensitive never indexed', async () => {
    const messages = new RandomFields(seededRandom(21));
    const sent = Array.from({ length: 300 }, () => forNode(messages.list()).flat());
    const answers = sent.map((raw) => [...new Map(pairs(raw)), ['date', 'now']] as Field[]);
    const server = await startServer(4096, (index) => answers[index]?.flat() ?? []);
    const encoder = newEncoder();
    const decoder = newDecoder();
    for (let i = 0; i < sent.length; i++) {
      server.send(encodeBlock(encoder, messages.pseudo()));
      if (i % 20 === 0) await server.settle();
    }
    await server.settle();
    expect(server.answers).toHaveLength(sent.length);
    for (const { stream, block } of server.answers) {
      const expected = answers[(stream - 1) / 2] ?? [];
      expect(new Map(decodeBlock(decoder, block))).toEqual(new Map([[':status', '200'], ...expected]));
    }
  });
});

function pairs(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] ?? '', raw[2 * i + 1] ?? '']);
}

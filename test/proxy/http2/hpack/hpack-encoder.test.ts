import { describe, expect, it } from 'vitest';
import { HpackDecoder } from '../../../../proxy/http2/hpack/hpack-decoder.ts';
import { HpackEncoder } from '../../../../proxy/http2/hpack/hpack-encoder.ts';
import { SensitiveNames, sensitiveNames } from '../../../../proxy/http2/hpack/sensitive-names.ts';
import { type Field, encodeBlock, hex, newDecoder, roundTrip, tableOf } from './blocks.ts';

/** An encoder and the decoder at its other end. */
class Pair {
  readonly names = new SensitiveNames();
  readonly encoder = new HpackEncoder(this.names);
  readonly decoder = newDecoder();

  /** The block as hexadecimal text, after the decoder has read the same fields from it. */
  send(...fields: Field[]): string {
    return roundTrip(this.encoder, this.decoder, fields).toString('hex');
  }
}

/** A literal without indexing, or what else `first` is, that spells its name. */
function literal(first: string, name: string, value: string): string {
  const text = (part: string): string =>
    part.length.toString(16).padStart(2, '0') + Buffer.from(part, 'latin1').toString('hex');
  return first + text(name) + text(value);
}

describe('a field', () => {
  it('of the static table is one byte', () => {
    const pair = new Pair();
    expect(
      pair.send([':method', 'GET'], [':scheme', 'https'], [':path', '/'], ['accept-encoding', 'gzip, deflate']),
    ).toBe('82878490');
    expect(pair.send([':status', '200'], [':status', '204'], [':status', '500'], ['accept', ''])).toBe('88898e93');
  });

  it('that is new enters the table, and from then on is one byte', () => {
    const pair = new Pair();
    expect(pair.send(['x-a', 'b'])).toBe(literal('40', 'x-a', 'b'));
    expect(pair.send(['x-a', 'b'])).toBe('be');
    expect(pair.send(['x-c', 'd'])).toBe(literal('40', 'x-c', 'd'));
    expect(pair.send(['x-a', 'b'], ['x-c', 'd'])).toBe('bfbe');
  });

  it('takes its name from the static table where it can', () => {
    const pair = new Pair();
    expect(pair.send(['user-agent', 'a'])).toBe('7a0161');
    expect(pair.send(['user-agent', 'a'])).toBe('be');
    expect(pair.send([':status', '418'])).toBe('4803343138');
    expect(pair.send([':status', '418'])).toBe('be');
  });

  it('takes its name from the dynamic table otherwise', () => {
    const pair = new Pair();
    pair.send(['x-a', '1'], ['x-b', '1']);
    expect(pair.send(['x-a', '2'])).toBe('7f000132');
    expect(pair.send(['x-a', '3'])).toBe('7e0133');
    expect(pair.send(['x-a', '1'], ['x-a', '2'], ['x-a', '3'])).toBe('c1bfbe');
  });

  it('is in the table once, however often it is in a message', () => {
    const pair = new Pair();
    pair.send(['x-a', '1'], ['x-a', '1'], ['x-a', ''], ['x-a', '']);
    expect(tableOf(pair.decoder)).toEqual([
      ['x-a', ''],
      ['x-a', '1'],
    ]);
  });

  it('is plain text of one byte per character, never Huffman-coded', () => {
    expect(new Pair().send(['x-a', 'ÿ\x80'])).toBe(literal('40', 'x-a', 'ÿ\x80'));
  });

  it('may be long, and then is not indexed', () => {
    const pair = new Pair();
    for (const length of [126, 127, 128, 254, 255, 256, 1000, 16_383, 16_384, 100_000]) {
      pair.send(['x-long', 'v'.repeat(length)]);
      pair.send(['n'.repeat(length), 'v']);
    }
    expect(tableOf(pair.decoder).every(([, value]) => value.length <= 1024)).toBe(true);
  });
});

describe('the table is kept from', () => {
  it.each([
    ':path',
    'age',
    'content-length',
    'content-range',
    'date',
    'etag',
    'grpc-timeout',
    'last-modified',
    'location',
    'traceparent',
    'tracestate',
    'x-b3-traceid',
    'x-b3-sampled',
    'x-envoy-expected-rq-timeout-ms',
    'x-envoy-upstream-service-time',
    'x-request-id',
  ])('%s, which differs on each message', (name) => {
    const pair = new Pair();
    const first = pair.send([name, 'v']);
    expect(pair.send([name, 'v'])).toBe(first);
    expect(tableOf(pair.decoder)).toEqual([]);
  });

  it('what would take more than a quarter of it', () => {
    const pair = new Pair();
    pair.send(['x-a', 'v'.repeat(1024 - 32 - 3 + 1)]);
    expect(tableOf(pair.decoder)).toEqual([]);
    pair.send(['x-a', 'v'.repeat(1024 - 32 - 3)]);
    expect(tableOf(pair.decoder)).toHaveLength(1);
  });

  it('names that turn out to be new each time', () => {
    const pair = new Pair();
    for (let i = 0; i < 100; i++) pair.send(['x-serial', `${i}`], ['x-same', 'same']);
    const table = tableOf(pair.decoder);
    expect(table).toHaveLength(9);
    expect(table.filter(([name]) => name === 'x-serial')).toHaveLength(8);
    expect(pair.send(['x-same', 'same'])).toHaveLength(2);
  });

  it('not by names that come again now and then', () => {
    const pair = new Pair();
    for (let i = 0; i < 100; i++) pair.send(['x-user', `${i % 5}`]);
    for (let i = 0; i < 5; i++) expect(pair.send(['x-user', `${i}`])).toHaveLength(2);
    for (let i = 0; i < 6; i++) pair.send(['x-user', `new ${i}`]);
    pair.send(['x-user', '0']);
    for (let i = 0; i < 6; i++) pair.send(['x-user', `newer ${i}`]);
    expect(pair.send(['x-user', 'newer 5'])).toHaveLength(2);
  });
});

describe('a sensitive field', () => {
  it.each([
    ['authorization', '1f08'],
    ['cookie', '1f11'],
    ['proxy-authorization', '1f22'],
    ['set-cookie', '1f28'],
  ])('%s is never indexed', (name, beginning) => {
    const pair = new Pair();
    expect(pair.send([name, 'v'])).toBe(`${beginning}0176`);
    expect(pair.send([name, 'v'])).toBe(`${beginning}0176`);
    expect(pair.send([name, ''])).toBe(`${beginning}00`);
    expect(tableOf(pair.decoder)).toEqual([]);
  });

  it('that came never-indexed on any connection goes out so', () => {
    // The only test that uses the process's names, which other tests share.
    const text = literal('10', 'x-hpack-test-secret', 'v');
    const encoder = new HpackEncoder();
    new HpackDecoder().decode(hex(text), 0, text.length / 2, { onField: () => {} });
    expect(sensitiveNames.has('x-hpack-test-secret')).toBe(true);
    expect(encodeBlock(encoder, [['x-hpack-test-secret', 'v']]).toString('hex')).toBe(text);
  });

  it('goes out so even if it was in the table before', () => {
    const pair = new Pair();
    pair.send(['x-later', 'v']);
    expect(pair.send(['x-later', 'v'])).toBe('be');
    pair.names.add('x-later');
    // The name, which is no secret, may come from the table.
    expect(pair.send(['x-later', 'v'])).toBe('1f2f0176');
  });
});

describe('eviction', () => {
  it('happens at both ends alike, and what is evicted is sent again', () => {
    const pair = new Pair();
    const field = (i: number): Field => [`x-${i}`, 'v'.repeat(500)];
    for (let i = 0; i < 100; i++) {
      pair.send(field(i));
      expect(tableOf(pair.decoder)).toHaveLength(Math.min(i + 1, 7));
      if (i > 0) expect(pair.send(field(i - 1))).toBe('bf');
    }
    expect(pair.send(field(0)).length).toBeGreaterThan(1000);
    expect(pair.send(field(0))).toBe('be');
  });

  it('may hit the very entry that lends its name', () => {
    const pair = new Pair();
    pair.encoder.setPeerTableSize(160);
    pair.send();
    for (let i = 0; i < 20; i++) pair.send(['x-a', `v${i % 6}`]);
  });

  it('of one of several values of a name leaves the others', () => {
    const pair = new Pair();
    for (let i = 0; i < 9; i++) {
      pair.send(['x-a', `${i}`.repeat(500)]);
      expect(pair.send(['x-a', `${i}`.repeat(500)])).toBe('be');
    }
    expect(pair.send(['x-a', '3'.repeat(500)])).toBe('c3');
    expect(pair.send(['x-a', '1'.repeat(500)]).length).toBeGreaterThan(1000);
    expect(pair.send(['x-a', '1'.repeat(500)])).toBe('be');
  });
});

it('thousands of names are forgotten again, and those in the table are not', () => {
  const pair = new Pair();
  for (let i = 0; i < 5000; i++) {
    pair.send([`x-${i}`, 'v'], ['x-same', 'v'], [`x-b3-${i}`, 'v']);
    if (i > 0) expect(pair.send(['x-same', 'v']).length).toBeLessThanOrEqual(20);
  }
  expect(pair.send(['x-same', 'v']).length).toBeLessThanOrEqual(20);
  expect(pair.send(['x-same', 'v']).length).toBeLessThanOrEqual(4);
});

describe("the peer's table size", () => {
  const field: Field = ['x-a', 'v'];

  it('is announced at the beginning of the next block, once', () => {
    const pair = new Pair();
    pair.encoder.setPeerTableSize(1000);
    expect(pair.encoder.beginBlock()).toBe('\x3f\xc9\x07');
    expect(pair.encoder.beginBlock()).toBe('');
  });

  it('of the default or beyond needs no announcement, since no more is used', () => {
    const encoder = new HpackEncoder();
    expect(encoder.beginBlock()).toBe('');
    encoder.setPeerTableSize(4096);
    expect(encoder.beginBlock()).toBe('');
    encoder.setPeerTableSize(2 ** 32 - 1);
    expect(encoder.beginBlock()).toBe('');
  });

  it('that went down and up again is announced with the smallest one in between', () => {
    const pair = new Pair();
    pair.send(field);
    pair.encoder.setPeerTableSize(100);
    pair.encoder.setPeerTableSize(0);
    pair.encoder.setPeerTableSize(30);
    pair.encoder.setPeerTableSize(2000);
    // Not the entry that the peer dropped at size 0.
    expect(pair.send(field)).toBe(`203fb10f${literal('40', 'x-a', 'v')}`);
    expect(pair.send(field)).toBe('be');
  });

  it('that went down and up again to what it was is announced twice', () => {
    const encoder = new HpackEncoder();
    encoder.setPeerTableSize(0);
    encoder.setPeerTableSize(4096);
    expect(encoder.beginBlock()).toBe('\x20\x3f\xe1\x1f');
  });

  it('that went up and down again to what it was needs no announcement', () => {
    const encoder = new HpackEncoder();
    encoder.setPeerTableSize(1000);
    encoder.beginBlock();
    encoder.setPeerTableSize(4096);
    encoder.setPeerTableSize(1000);
    expect(encoder.beginBlock()).toBe('');
  });

  it('of zero means that nothing is indexed but the static table', () => {
    const pair = new Pair();
    pair.encoder.setPeerTableSize(0);
    expect(pair.send([':method', 'GET'], field, ['user-agent', 'a'])).toBe(`2082${literal('00', 'x-a', 'v')}0f2b0161`);
    expect(pair.send(field)).toBe(literal('00', 'x-a', 'v'));
  });

  it('evicts what does not fit any more', () => {
    const pair = new Pair();
    for (let i = 0; i < 20; i++) pair.send([`x-${i}`, 'v']);
    pair.encoder.setPeerTableSize(200);
    pair.send(['x-19', 'v'], ['x-18', 'v'], ['x-0', 'v']);
    expect(tableOf(pair.decoder).length).toBeLessThanOrEqual(200 / 32);
  });

  it('changes nothing within a block', () => {
    const pair = new Pair();
    pair.send(field);
    let text = pair.encoder.beginBlock();
    pair.encoder.setPeerTableSize(0);
    text += pair.encoder.encode(...field);
    expect(text).toBe('\xbe');
    expect(encodeBlock(pair.encoder, []).toString('hex')).toBe('20');
  });
});

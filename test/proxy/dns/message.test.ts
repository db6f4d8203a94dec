import { describe, expect, test } from 'vitest';
import { classifyAnswer, type DnsQuery, readQuery, responseCodes } from '../../../proxy/dns/message.ts';
import { dnsQuery, words, writeName } from '../../support/dns-message.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const formatError = { kind: 'invalid', code: responseCodes.formatError };

function read(bytes: Buffer): DnsQuery {
  const result = readQuery(bytes);
  if (result.kind !== 'query') throw new Error(`is ${JSON.stringify(result)}`);
  return result.query;
}

/** A query whose additional records are `records`. */
function withRecords(count: number, ...records: readonly Buffer[]): Buffer {
  const question = Buffer.concat([writeName('reviews'), words(1, 1)]);
  return Buffer.concat([words(1, 0x0100, 1, 0, 0, count), question, ...records]);
}

const optRecord = Buffer.concat([Buffer.from([0]), words(41, 1232, 0, 0, 0)]);

describe('a question', () => {
  test('is read with its name in lower case', () => {
    expect(read(dnsQuery('Reviews.Default.SVC', { type: 28 })).question).toEqual({
      name: 'reviews.default.svc',
      type: 28,
      class: 1,
      end: 12 + 21 + 4,
    });
  });

  test('may be about the root', () => {
    expect(read(dnsQuery('.', { type: 2 })).question.name).toBe('');
  });

  test('keeps a dot within a label apart from one between labels', () => {
    const name = Buffer.from('\u{3}a.b\u{0}', 'latin1');
    expect(read(Buffer.concat([words(1, 0x0100, 1, 0, 0, 0), name, words(1, 1)])).question.name).toBe('a\\.b');
  });

  test('tells with EDNS what its client can do', () => {
    const { edns } = read(dnsQuery('reviews', { ednsBytes: 1232, isDnssecOk: true, ednsVersion: 3 }));
    expect(edns).toEqual({ udpBytes: 1232, version: 3, isDnssecOk: true });
    expect(read(dnsQuery('reviews')).edns).toBeUndefined();
  });

  test('has a name of 255 bytes at most, in labels of 63', () => {
    const longest = [63, 63, 63, 61].map((length) => 'x'.repeat(length)).join('.');
    expect(read(dnsQuery(longest)).question.name).toBe(longest);
    expect(readQuery(dnsQuery(`${longest}x`))).toEqual(formatError);
    expect(readQuery(dnsQuery('x'.repeat(64)))).toEqual(formatError);
  });
});

describe('bad input', () => {
  test('cut off at any byte is refused, and below a header ignored', () => {
    const whole = dnsQuery('reviews.default.svc.cluster.local', { ednsBytes: 4096 });
    for (let length = 0; length < whole.length; length += 1) {
      expect(readQuery(whole.subarray(0, length)), `${length} bytes`).toEqual(
        length < 12 ? { kind: 'ignored' } : formatError,
      );
    }
    expect(readQuery(whole).kind).toBe('query');
  });

  test('with bytes after its last record is refused', () => {
    expect(readQuery(Buffer.concat([dnsQuery('reviews'), Buffer.from([0])]))).toEqual(formatError);
  });

  test.each<[string, number]>([
    ['to itself', 12],
    ['into the header', 0],
    ['to what comes later', 200],
  ])('with a pointer %s in its question is refused', (_where, target) => {
    const message = Buffer.concat([words(1, 0x0100, 1, 0, 0, 0), words(0xc000 | target), words(1, 1)]);
    expect(readQuery(message)).toEqual(formatError);
  });

  test.each<[string, number]>([
    ['to itself', 25],
    ['into the header', 4],
    ['to what comes later', 60],
  ])('with a pointer %s in a later record is refused', (_where, target) => {
    expect(readQuery(withRecords(1, words(0xc000 | target), words(1, 1, 0, 30, 0)))).toEqual(formatError);
  });

  test('with a pointer back to the question is understood', () => {
    expect(read(withRecords(1, words(0xc00c), words(1, 1, 0, 30, 0))).question.name).toBe('reviews');
  });

  test.each<[string, Buffer]>([
    ['two OPT records', withRecords(2, optRecord, optRecord)],
    ['an OPT record of a name', withRecords(1, writeName('x'), optRecord.subarray(1))],
    ['fewer records than it says', withRecords(2, optRecord)],
    ['data beyond its end', withRecords(1, Buffer.concat([Buffer.from([0]), words(16, 1, 0, 0, 9)]))],
    ['no question', Buffer.concat([words(1, 0x0100, 0, 0, 0, 0)])],
    [
      'two questions',
      Buffer.concat([words(1, 0x0100, 2, 0, 0, 0), writeName('a'), words(1, 1), writeName('b'), words(1, 1)]),
    ],
  ])('with %s is refused', (_what, message) => {
    expect(readQuery(message)).toEqual(formatError);
  });

  test('that is an answer is never answered', () => {
    expect(readQuery(dnsQuery('reviews', { flags: 0x8180 }))).toEqual({ kind: 'ignored' });
  });

  test('of another kind than a question is not implemented', () => {
    expect(readQuery(dnsQuery('reviews', { flags: 0x2800 }))).toEqual({
      kind: 'invalid',
      code: responseCodes.notImplemented,
    });
  });

  test('of any bytes is read in one pass and without a throw', () => {
    const random = seededRandom(53);
    const valid = dnsQuery('reviews.default.svc.cluster.local', { ednsBytes: 1232 });
    const kinds = new Map<string, number>();
    for (let round = 0; round < 50_000; round += 1) {
      const isNoise = round % 4 === 0;
      const bytes = isNoise ? Buffer.alloc(Math.floor(random() * 200)) : Buffer.from(valid);
      const changes = isNoise ? bytes.length : 1 + Math.floor(random() * 4);
      for (let i = 0; i < changes; i += 1) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
      const result = readQuery(bytes);
      kinds.set(result.kind, (kinds.get(result.kind) ?? 0) + 1);
      if (result.kind === 'query') expect(result.query.question.end).toBeLessThanOrEqual(bytes.length);
    }
    expect([...kinds.keys()].sort()).toEqual(['ignored', 'invalid', 'query']);
  });

  test('of 64 KiB costs no more than its bytes', () => {
    const record = Buffer.concat([words(0xc00c), words(1, 1, 0, 30, 0)]);
    const count = 5_000;
    const message = withRecords(count, ...Array.from({ length: count }, () => record));
    const before = performance.now();
    for (let i = 0; i < 20; i += 1) expect(readQuery(message).kind).toBe('query');
    expect(performance.now() - before).toBeLessThan(2_000);
  });
});

describe('an answer', () => {
  const sent = dnsQuery('reviews.example.com', { id: 7 });
  const { question } = read(sent);
  const answer = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(sent);
    bytes.writeUInt16BE(0x8180, 2);
    change(bytes);
    return bytes;
  };

  test.each<[string, string, (bytes: Buffer) => void]>([
    ['of the id and the question', 'answer', () => {}],
    ['whose server writes names in capitals', 'answer', (bytes) => bytes.write('REVIEWS', 13)],
    ['that the name does not exist', 'answer', (bytes) => bytes.writeUInt16BE(0x8183, 2)],
    ['of another id', 'mismatch', (bytes) => bytes.writeUInt16BE(8, 0)],
    ['to another name', 'mismatch', (bytes) => bytes.write('ratings', 13)],
    ['to another type', 'mismatch', (bytes) => bytes.writeUInt16BE(28, question.end - 4)],
    ['that is a question', 'mismatch', (bytes) => bytes.writeUInt16BE(0x0100, 2)],
    ['without its question', 'mismatch', (bytes) => bytes.writeUInt16BE(0, 4)],
    ['of a server that fails', 'failure', (bytes) => bytes.writeUInt16BE(0x8182, 2)],
    ['of a server that refuses', 'failure', (bytes) => bytes.writeUInt16BE(0x8185, 2)],
  ])('%s is: %s', (_what, kind, change) => {
    expect(classifyAnswer(answer(change), sent, question)).toBe(kind);
  });

  test('cut off at any byte of its question is nobody’s', () => {
    const whole = answer(() => {});
    for (let length = 0; length < question.end; length += 1) {
      expect(classifyAnswer(whole.subarray(0, length), sent, question)).toBe('mismatch');
    }
  });

  test('of nothing but a header with a fault is a failure of its server', () => {
    expect(classifyAnswer(words(7, 0x8181, 0, 0, 0, 0), sent, question)).toBe('failure');
  });
});

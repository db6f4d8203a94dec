import { describe, expect, test } from 'vitest';
import { inspectHttp } from '../../../proxy/listener/http-inspector.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const inspect = (text: string) => inspectHttp(Buffer.from(text, 'latin1'), text.length);

describe('the first bytes of a connection', () => {
  test.each([
    ['GET / HTTP/1.1\r\n', 'http/1.1'],
    ['POST /a?b=c HTTP/1.0\r\nHost: a\r\n\r\n', 'http/1.0'],
    ['VERSION-CONTROL * HTTP/1.1\n', 'http/1.1'],
    ['GET http://a/b HTTP/1.1\r\n', 'http/1.1'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'h2c'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrest', 'h2c'],
  ])('%j are HTTP', (text, expected) => {
    expect(inspect(text)).toBe(expected);
  });

  test.each([
    ['SSH-2.0-OpenSSH_9.2\r\n'],
    ['*1\r\n$4\r\nPING\r\n'],
    ['PING\r\n'],
    ['get / HTTP/1.1\r\n'],
    ['GET / HTTP/2.0\r\n'],
    ['GET / HTTP/1.1 \r\n'],
    ['GET  HTTP/1.1\r\n'],
    ['GET HTTP/1.1\r\n'],
    ['GET /\u0001 HTTP/1.1\r\n'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\rX'],
    ['\u0016\u0003\u0001\u0002\u0000'],
    ['A'.repeat(25)],
    [`GET /${'a'.repeat(9_000)}`],
    ['\r\nGET / HTTP/1.1\r\n'],
  ])('%j are none', (text) => {
    expect(inspect(text)).toBe('none');
  });

  test.each(['GET / HTTP/1.1\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'])(
    '%j may be HTTP until they are whole',
    (text) => {
      for (let length = 0; length < text.length; length++) expect(inspect(text.slice(0, length))).toBe('incomplete');
    },
  );

  test('never decide one way and then the other, however they are cut', () => {
    const random = seededRandom(3);
    const pieces = ['GET', ' ', '/', 'PRI * HTTP/2.0', ' HTTP/1.1', '\r\n', 'SM', '\u0000', 'é', 'POST'];
    for (let round = 0; round < 2_000; round++) {
      const text = Array.from({ length: 6 }, () => pieces[Math.floor(random() * pieces.length)]).join('');
      const whole = inspect(text);
      for (let length = 0; length < text.length; length++) {
        const part = inspect(text.slice(0, length));
        if (part !== 'incomplete') expect([text, length, part]).toEqual([text, length, whole]);
      }
    }
  });
});

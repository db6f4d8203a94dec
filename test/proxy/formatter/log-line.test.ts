import { describe, expect, test } from 'vitest';
import type { AccessLogFormat, JsonFormat } from '../../../proxy/api/listener.ts';
import { MeshError } from '../../../proxy/common/errors.ts';
import { seededRandom } from '../../../proxy/common/seeded-random.ts';
import { compileLine } from '../../../proxy/formatter/log-line.ts';
import { HeaderName } from '../../../proxy/http/header-name.ts';
import { RequestHead, ResponseHead } from '../../../proxy/http/message-head.ts';
import type { HttpStream } from '../../../proxy/http/stream.ts';

function aStream(agent: string, rest: object = {}): HttpStream {
  const request = new RequestHead();
  Object.assign(request, { method: 'GET', path: '/a b' });
  request.headers.add(new HeaderName('user-agent'), agent);
  const response = new ResponseHead();
  response.status = 200;
  const cluster = { config: { name: 'reviews' } };
  return { request, response, requestBytes: 4, responseFlags: '-', cluster, ...rest } as unknown as HttpStream;
}

type Write = (stream: HttpStream) => string;

function writer(format: AccessLogFormat): Write {
  const line = compileLine(format);
  return (stream) => {
    const bytes = Buffer.alloc(line.update(stream));
    line.copyTo(bytes, 0);
    return bytes.toString();
  };
}

const text = (source: string, omitsEmptyValues = false): Write => writer({ kind: 'text', source, omitsEmptyValues });
const json = (properties: JsonFormat, omitsEmptyValues = false): Write =>
  writer({ kind: 'json', properties, omitsEmptyValues });

const hostile = 'a "b" \\ \r\n\t\u0000\u007f\u009b31m\u00e9';

describe('a line of text', () => {
  test('is the format with its values, a dash for what has none, and ends only where the format says so', () => {
    expect(text('%REQ(user-agent)% %REQ(x-none)% %RESPONSE_CODE%\n')(aStream('curl'))).toBe('curl - 200\n');
    expect(text('%RESPONSE_CODE%')(aStream('curl'))).toBe('200');
  });

  test('leaves out what has no value when it is asked to', () => {
    expect(text('[%REQ(x-none)%]', true)(aStream('curl'))).toBe('[]');
  });

  test('keeps spaces only in a value that is a whole quoted field', () => {
    const line = text('"%REQ(user-agent)%" %REQ(user-agent)% "%REQ(:PATH)% x"')(aStream('a b'));
    expect(line).toBe('"a b" a\\x20b "/a\\x20b x"');
  });

  test('cannot be forged by a hostile value', () => {
    const line = text('"%REQ(user-agent)%"')(aStream(hostile));
    expect(line).toBe('"a \\"b\\" \\\\ \\x0d\\x0a\\x09\\x00\\x7f\\x9b31m\u00e9"');
  });
});

describe('bytes of a header', () => {
  const bytesOf = (value: string): string => Buffer.from(value).toString('latin1');

  test('are written as the UTF-8 that they are', () => {
    const agent = 'Zo\u00eb \u2603 \u00c0 \u{1f600}';
    expect(text('"%REQ(user-agent)%"')(aStream(bytesOf(agent)))).toBe(`"${agent}"`);
    expect(json({ a: '%REQ(user-agent)%' })(aStream(bytesOf(agent)))).toBe(`{"a":"${agent}"}\n`);
  });

  test('are written one by one where they are not', () => {
    expect(text('"%REQ(user-agent)%"')(aStream('Zo\u00eb \u00e2\u0098'))).toBe('"Zo\u00eb \u00e2\\x98"');
  });

  test('hide no control character in UTF-8', () => {
    expect(text('"%REQ(user-agent)%"')(aStream(bytesOf('\u009b31m"')))).toBe('"\\x9b31m\\""');
    expect(json({ a: '%REQ(user-agent)%' })(aStream(bytesOf('\u009b')))).toBe('{"a":"\\u009b"}\n');
  });

  test('do not meddle with names of the configuration', () => {
    const clusterName = '\u00e9\u2603';
    expect(text('"%UPSTREAM_CLUSTER%"')(aStream('a', { clusterName }))).toBe('"\u00e9\u2603"');
  });
});

describe('a line of JSON', () => {
  test('has numbers where a value is one numeric variable, null for what has none, and ends itself', () => {
    const properties = {
      code: '%RESPONSE_CODE%',
      text: '%RESPONSE_CODE% ok',
      none: '%REQ(x-none)%',
      in: { n: '%BYTES_RECEIVED%' },
    };
    const line = json(properties)(aStream('curl'));
    expect(line.endsWith('}\n')).toBe(true);
    expect(JSON.parse(line)).toEqual({ code: 200, text: '200 ok', none: null, in: { n: 4 } });
  });

  const mixed: JsonFormat = {
    list: ['%REQ(x)%', 1, 'a%REQ(x)%', null, ['%RESPONSE_CODE%'], { k: '%REQ(x)%', n: null }],
    none: {},
    inner: { k: '%REQ(x)%' },
    null: null,
    empty: [],
    number: 1.5,
    yes: true,
  };

  test('holds lists, objects, and what is the same in every line', () => {
    expect(JSON.parse(json(mixed)(aStream('curl')))).toEqual({
      list: [null, 1, 'a-', null, [200], { k: null, n: null }],
      none: {},
      inner: { k: null },
      null: null,
      empty: [],
      number: 1.5,
      yes: true,
    });
  });

  test('without empty values holds neither nulls nor objects without members', () => {
    const line = json(mixed, true)(aStream('curl'));
    expect(line).toBe('{"list":[1,"a",[200]],"empty":[],"number":1.5,"yes":true}\n');
    expect(json({ a: '%REQ(x)%' }, true)(aStream('curl'))).toBe('{}\n');
  });

  test('leaves out what has no value when it is asked to', () => {
    const line = json({ a: '%REQ(x-none)%', b: '%RESPONSE_CODE%', c: '<%REQ(x-none)%>' }, true)(aStream('curl'));
    expect(line).toBe('{"b":200,"c":"<>"}\n');
  });

  test('holds a hostile value unchanged, in one line without control characters', () => {
    const line = json({ agent: '%REQ(user-agent)%', 'k"e\ny': 'x%REQ(user-agent)%' })(aStream(hostile));
    expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    expect(JSON.parse(line)).toEqual({ agent: hostile, 'k"e\ny': `x${hostile}` });
  });
});

describe('a line', () => {
  const agents = [
    '',
    'curl',
    'wget',
    'null',
    '-',
    'a b',
    'Zo\u00c3\u00ab',
    '\u00e9',
    '\u2603',
    hostile,
    '"',
    '\\',
    'x'.repeat(2_000),
  ];
  const formats: readonly AccessLogFormat[] = [
    {
      kind: 'text',
      source: '%REQ(user-agent)% "%REQ(user-agent)%" \u2603 %DURATION%%ROUTE_NAME%\n',
      omitsEmptyValues: false,
    },
    { kind: 'text', source: '%ROUTE_NAME%%REQ(user-agent):3%\n', omitsEmptyValues: true },
    ...[true, false].map((omitsEmptyValues): AccessLogFormat => {
      const properties = {
        'k\u2603': '%REQ(user-agent)%',
        duration: '%DURATION%',
        mixed: '<%REQ(user-agent)%>',
        inner: { route: '%ROUTE_NAME%', list: ['%DURATION%', 1] },
        route: '%ROUTE_NAME%',
      };
      return { kind: 'json', properties, omitsEmptyValues };
    }),
  ];

  const characters = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));

  test('of JSON keeps every character of a value, and holds none that ends a line or moves a cursor', () => {
    const write = json({ agent: '%REQ(user-agent)%' });
    for (const character of characters) {
      const line = write(aStream(`a${character}`));
      expect(JSON.parse(line)).toEqual({ agent: `a${character}` });
      expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    }
  });

  test('of text escapes every character that could end a field', () => {
    const [quoted, bare] = [text('"%REQ(user-agent)%"'), text('%REQ(user-agent)%')];
    const escaped = (character: string): string =>
      /["\\]/.test(character)
        ? `\\${character}`
        : character.replace(
            /[\u0000-\u001f\u007f-\u009f]/,
            (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
          );
    for (const character of characters) {
      expect(quoted(aStream(`a${character}`))).toBe(`"a${escaped(character)}"`);
      expect(bare(aStream(`a${character}`))).toBe(`a${character === ' ' ? '\\x20' : escaped(character)}`);
    }
  });

  test.each(formats)(
    'does not depend on the lines before it: $kind, without empty values $omitsEmptyValues',
    (format) => {
      const random = seededRandom(7);
      const pick = <T>(values: readonly [T, ...T[]]): T => values[Math.floor(random() * values.length)] ?? values[0];
      const write = writer(format);
      for (let i = 0; i < 3_000; i++) {
        const rest = { routeName: pick(['', ...agents]), startMs: 0, endMs: pick([-1, 0, 7, 42, 1_000_000]) };
        const stream = aStream(pick(['', ...agents]), { ...rest, timeSource: { nowMs: () => 3 } });
        expect(write(stream)).toBe(writer(format)(stream));
      }
    },
  );
});

describe('B13: the details of a response code', () => {
  test.each([
    ['via_upstream', {}],
    ['direct_response', { localReplyDetails: 'direct_response' }],
    [
      'downstream_remote_disconnect',
      { error: new MeshError('downstream_closed', 'gone'), response: new ResponseHead() },
    ],
    [
      'upstream_reset_after_response_started{connection_termination}',
      { error: new MeshError('upstream_reset', 'gone') },
    ],
    ['-', { response: new ResponseHead() }],
  ])('are %s', (details, rest) => {
    expect(text('%RESPONSE_CODE_DETAILS%')(aStream('curl', rest))).toBe(details);
  });
});

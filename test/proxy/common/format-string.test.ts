import { describe, expect, test } from 'vitest';
import { parseFormat } from '../../../proxy/common/format-string.ts';

const messagesOf = (source: string): string[] | undefined => parseFormat(source).errors?.map(({ message }) => message);

describe('a format string', () => {
  test('is texts and commands in order, neighbouring texts joined', () => {
    expect(parseFormat('a%%b%REQ(X-A?:PATH):5%%PROTOCOL%c').value).toEqual([
      'a%b',
      { variable: 'REQ', headerNames: ['x-a', ':path'], maxLength: 5 },
      { variable: 'PROTOCOL', headerNames: [], maxLength: undefined },
      'c',
    ]);
  });

  test.each([
    ['100%', ['has a "%" that begins no variable; a percent sign is "%%"']],
    [
      '%protocol%',
      [
        'has a "%" that begins no variable; a percent sign is "%%"',
        'has a "%" that begins no variable; a percent sign is "%%"',
      ],
    ],
    ['%NOBODY%', ['has the variable %NOBODY%, which is not supported']],
    ['%DYNAMIC_METADATA(a:b)%', ['has the variable %DYNAMIC_METADATA%, which is not supported']],
    ['%__PROTO__%', ['has the variable %__PROTO__%, which is not supported']],
    ['%REQ%', ['must name one or two headers in %REQ(NAME?ALTERNATIVE)%, got ""']],
    ['%REQ()%', ['must name one or two headers in %REQ(NAME?ALTERNATIVE)%, got ""']],
    ['%RESP(a b)%', ['must name one or two headers in %RESP(NAME?ALTERNATIVE)%, got "a b"']],
    ['%REQ(a?b?c)%', ['must name one or two headers in %REQ(NAME?ALTERNATIVE)%, got "a?b?c"']],
    ['%HOSTNAME(a)%', ['has %HOSTNAME(a)%, but %HOSTNAME% takes no argument']],
  ])('%j is refused', (source, messages) => {
    expect(messagesOf(source)).toEqual(messages);
  });

  test('names all its faults at once', () => {
    expect(messagesOf('%A% %B%')).toHaveLength(2);
  });

  test('is read in linear time', () => {
    expect(messagesOf('%REQ('.repeat(20_000))).toHaveLength(20_000);
    expect(messagesOf('%A:1'.repeat(20_000))?.length).toBeGreaterThan(0);
  });
});

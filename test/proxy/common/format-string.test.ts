import { describe, expect, test } from 'vitest';
import { parseFormat } from '../../../proxy/common/format-string.ts';

const messagesOf = (source: string): string[] | undefined => parseFormat(source).errors?.map(({ message }) => message);

describe('a format string', () => {
  test('is texts and commands in order, neighbouring texts joined', () => {
    expect(parseFormat('a%%b%REQ(X-A?:PATH):5%%PROTOCOL%c%START_TIME(%H:%M)%%ENVIRONMENT(Home):3%').value).toEqual([
      'a%b',
      { variable: 'REQ', headerNames: ['x-a', ':path'], argument: 'X-A?:PATH', maxLength: 5 },
      { variable: 'PROTOCOL', headerNames: [], argument: '', maxLength: undefined },
      'c',
      { variable: 'START_TIME', headerNames: [], argument: '%H:%M', maxLength: undefined },
      { variable: 'ENVIRONMENT', headerNames: [], argument: 'Home', maxLength: 3 },
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
    ...['', 'a', 'a:', ':b', 'a:b:c'].map((argument): [string, string[]] => [
      `%DYNAMIC_METADATA(${argument})%`,
      [`must have a namespace and one key in %DYNAMIC_METADATA(NAMESPACE:KEY)%, got "${argument}"`],
    ]),
    ['%__PROTO__%', ['has the variable %__PROTO__%, which is not supported']],
    ['%REQ%', ['must name one or two headers in %REQ(NAME?ALTERNATIVE)%, got ""']],
    ['%REQ()%', ['must name one or two headers in %REQ(NAME?ALTERNATIVE)%, got ""']],
    ['%RESP(a b)%', ['must name one or two headers in %RESP(NAME?ALTERNATIVE)%, got "a b"']],
    ['%REQ(a?b?c)%', ['must name one or two headers in %REQ(NAME?ALTERNATIVE)%, got "a?b?c"']],
    ['%HOSTNAME(a)%', ['has %HOSTNAME(a)%, but %HOSTNAME% takes no argument']],
    ['%TRAILER%', ['must name one or two headers in %TRAILER(NAME?ALTERNATIVE)%, got ""']],
    ['%ENVIRONMENT%', ['must have a name in %ENVIRONMENT(NAME)%']],
    [
      '%START_TIME(%Y-%q)%',
      [
        'has %START_TIME(%Y-%q)%, which has "%q": only % a b d e f F H j m M s S T Y z Z and 1f to 9f are supported behind "%"',
      ],
    ],
    ['%GRPC_STATUS(x)%', ['has %GRPC_STATUS(x)%, but there are only CAMEL_STRING, SNAKE_STRING and NUMBER']],
    ...['DURATION', 'START_TIME', 'START_TIME(%s)', 'GRPC_STATUS', 'UPSTREAM_HOST'].map(
      (variable): [string, string[]] => [
        `%${variable}:3%`,
        [
          `has %${variable.split('(')[0]}% with a maximal length, which only REQ, RESP, TRAILER, DYNAMIC_METADATA and ENVIRONMENT may have`,
        ],
      ],
    ),
  ])('%j is refused', (source, messages) => {
    expect(messagesOf(source)).toEqual(messages);
  });

  test("may be Istio's default, as text and as JSON", () => {
    const variables =
      '%START_TIME% %ROUTE_NAME% %REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL% %RESPONSE_CODE% ' +
      '%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% ' +
      '%DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% %REQ(X-FORWARDED-FOR)% %REQ(USER-AGENT)% ' +
      '%REQ(X-REQUEST-ID)% %REQ(:AUTHORITY)% %UPSTREAM_HOST% %UPSTREAM_TRANSPORT_FAILURE_REASON% ' +
      '%UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ' +
      '%REQUESTED_SERVER_NAME%';
    expect(messagesOf(variables)).toBeUndefined();
    expect(parseFormat(variables).value).toHaveLength(47);
  });

  test('names all its faults at once', () => {
    expect(messagesOf('%A% %B%')).toHaveLength(2);
  });

  test('is read in linear time', () => {
    expect(messagesOf('%REQ('.repeat(20_000))).toHaveLength(20_000);
    expect(messagesOf('%A:1'.repeat(20_000))?.length).toBeGreaterThan(0);
  });
});

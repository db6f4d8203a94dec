import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import { MeshError } from '../../../proxy/common/errors.ts';
import { compileFormat } from '../../../proxy/formatter/stream-formatter.ts';
import { HeaderName } from '../../../proxy/http/header-name.ts';
import { RequestHead, ResponseHead } from '../../../proxy/http/message-head.ts';
import { HttpStream } from '../../../proxy/http/stream.ts';

/** A stream as far as formats look at it: two seconds old, answered with 200. */
function aStream(): HttpStream {
  const request = new RequestHead();
  Object.assign(request, { method: 'GET', path: '/a?b=c', authority: 'reviews:80' });
  request.headers.add(new HeaderName('x-user'), 'ann');
  const response = new ResponseHead();
  response.status = 200;
  response.headers.add(new HeaderName('x-took'), '7');
  const stream = {
    request,
    response,
    remoteAddress: '10.0.0.9:5000',
    codec: { connectionId: 7, remoteAddress: '10.0.0.9:5000', localAddress: '::1:15001', protocol: 'HTTP/1.1' },
    timeSource: { nowMs: () => 5_000, wallTimeMs: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6) },
    startMs: 3_000,
    requestEndMs: 3_020,
    responseStartMs: 4_500,
    endMs: -1,
    attemptCount: 2,
    traceId: 'c0ffee',
    upstream: { connection: { id: 8, protocol: 'HTTP/1.1', localAddress: '10.0.0.3:40000' } },
    requestBytes: 11,
    responseBytes: 22,
    routeName: 'to v1',
    responseFlags: '-',
    clusterName: 'outbound|80||reviews',
    host: { address: '10.0.0.1:9080' },
  };
  return stream as unknown as HttpStream;
}

test('a host that was chosen but not reached is a host and no peer, as Envoy has it', () => {
  const stream = Object.assign(aStream(), { upstream: undefined });
  const format = compileFormat('%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_REMOTE_PORT%', { missing: '-' });
  expect(format(stream)).toBe('10.0.0.1:9080 - -');
});

describe('a format', () => {
  test.each([
    ['plain text', 'plain text'],
    ['', ''],
    ['100%%', '100%'],
    ['%REQ(x-user)%', 'ann'],
    ['%REQ(X-USER)%', 'ann'],
    ['<%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)% %REQ(:SCHEME)%>', '<GET /a?b=c reviews:80 http>'],
    ['%REQ(x-nobody?x-user)%', 'ann'],
    ['%REQ(x-user?:path)%', 'ann'],
    ['%REQ(x-user):2%', 'an'],
    ['%REQ(x-user):0%', ''],
    ['%REQ(x-user):99%', 'ann'],
    ['[%REQ(x-nobody)%]', '[]'],
    ['%RESP(x-took)%/%RESP(:STATUS)%/%RESP(x-none)%', '7/200/'],
    ['%DOWNSTREAM_REMOTE_ADDRESS%', '10.0.0.9:5000'],
    ['%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', '10.0.0.9'],
    ['%DOWNSTREAM_REMOTE_PORT%', '5000'],
    ['%DOWNSTREAM_LOCAL_ADDRESS%', '::1:15001'],
    ['%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%', '::1'],
    ['%DOWNSTREAM_LOCAL_PORT%', '15001'],
    [
      '%UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_HOST% %UPSTREAM_CLUSTER%',
      '10.0.0.1:9080 10.0.0.1:9080 outbound|80||reviews',
    ],
    ['%PROTOCOL% %ROUTE_NAME%', 'HTTP/1.1 to v1'],
    ['%START_TIME%', '2026-01-02T03:04:05.006Z'],
    ['%START_TIME()%', '2026-01-02T03:04:05.006Z'],
    ['%START_TIME(%Y/%m/%dT%H:%M:%S.%3f%z)%', '2026/01/02T03:04:05.006+0000'],
    ['%TRACE_ID%', 'c0ffee'],
    ['%CONNECTION_ID% %UPSTREAM_CONNECTION_ID%', '7 8'],
    ['%UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%', '10.0.0.3:40000 10.0.0.3'],
    ['%UPSTREAM_LOCAL_PORT% %UPSTREAM_PROTOCOL% %UPSTREAM_REQUEST_ATTEMPT_COUNT%', '40000 HTTP/1.1 2'],
    ['%REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%', '20 1500 500'],
    ['%RESPONSE_FLAGS_LONG%', '-'],
    ['%CONNECTION_TERMINATION_DETAILS%%REQUESTED_SERVER_NAME%%TRAILER(a)%%VIRTUAL_CLUSTER_NAME%', ''],
    ['%UPSTREAM_TRANSPORT_FAILURE_REASON%%GRPC_STATUS%%GRPC_STATUS_NUMBER%', ''],
    ['%ENVIRONMENT(HEDDLE_TEST_NOBODY)%', '-'],
    ['%DURATION% %BYTES_RECEIVED% %BYTES_SENT%', '2000 11 22'],
    ['%RESPONSE_CODE% %RESPONSE_FLAGS%', '200 -'],
    ['%HOSTNAME%', hostname()],
    ['%%REQ(x-user)%%', '%REQ(x-user)%'],
  ])('%j is %j', (source, text) => {
    expect(compileFormat(source)(aStream())).toBe(text);
  });

  test('writes the text of its user for what has no value', () => {
    const stream = Object.assign(aStream(), {
      host: undefined,
      codec: undefined,
      remoteAddress: undefined,
      clusterName: undefined,
      routeName: '',
    });
    const source = '%UPSTREAM_HOST% %DOWNSTREAM_REMOTE_PORT% %UPSTREAM_CLUSTER% %ROUTE_NAME% %REQ(a?b):3%';
    expect(compileFormat(source, { missing: '-' })(stream)).toBe('- - - - -');
  });

  test('reads the environment of the process, once', () => {
    process.env['HEDDLE_TEST_PLACE'] = 'berlin';
    const format = compileFormat('%ENVIRONMENT(HEDDLE_TEST_PLACE)%/%ENVIRONMENT(HEDDLE_TEST_PLACE):3%');
    delete process.env['HEDDLE_TEST_PLACE'];
    expect(format(aStream())).toBe('berlin/ber');
  });

  test.each([
    ['-', '-'],
    ['NR', 'NoRouteFound'],
    ['DI,FI', 'DelayInjected,FaultInjected'],
    ['UC,URX', 'UpstreamConnectionTermination,UpstreamRetryLimitExceeded'],
  ])('names the flags %s in full', (responseFlags, text) => {
    expect(compileFormat('%RESPONSE_FLAGS_LONG%')(Object.assign(aStream(), { responseFlags }))).toBe(text);
  });

  test.each([
    ['0', 'OK OK 0 0'],
    ['4', 'DeadlineExceeded DEADLINE_EXCEEDED 4 4'],
    ['16', 'Unauthenticated UNAUTHENTICATED 16 16'],
    ['17', '-1 -1 -1 -1'],
    ['x', '-1 -1 -1 -1'],
    ['', 'Unknown UNKNOWN 2 2'],
  ])('writes the gRPC status %j in all its forms', (status, text) => {
    const stream = aStream();
    stream.request.headers.add(new HeaderName('content-type'), 'application/grpc+proto');
    if (status !== '') stream.response.headers.add(new HeaderName('grpc-status'), status);
    const source = '%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER%';
    expect(compileFormat(source)(stream)).toBe(text);
  });

  test('reads the flags of a real stream that failed', () => {
    const stream = Object.create(HttpStream.prototype) as HttpStream;
    stream.error = new MeshError('no_route', 'no route');
    expect(compileFormat('%RESPONSE_FLAGS%')(stream)).toBe('NR');
  });
});

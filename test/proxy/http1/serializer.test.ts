import { describe, expect, it } from 'vitest';
import { HeaderName } from '../../../proxy/http/header-name.ts';
import { chunkedBody } from '../../../proxy/http/message-head.ts';
import { removeHopByHop, serializeRequest, serializeResponse } from '../../../proxy/http1/serializer.ts';
import { requestHead, responseHead } from './parsing.ts';
import { head } from './request-case.ts';

const lines = ['A: 1', 'B:  2 ', 'c: 3', 'D:', 'E: 5'];

describe('a request that nobody changed', () => {
  it('goes out as the text it came as', () => {
    const text = head('GET /x HTTP/1.1', 'Host: a', ...lines);
    expect(serializeRequest(requestHead(text))).toBe(text);
  });
});

describe('removed headers', () => {
  it('leave all others as they were, wherever they stood', () => {
    for (let mask = 0; mask < 2 ** lines.length; mask++) {
      const request = requestHead(head('GET / HTTP/1.1', 'Host: a', ...lines));
      const kept = lines.filter((line, i) => {
        const isRemoved = (mask & (1 << i)) !== 0;
        if (isRemoved) request.headers.remove(new HeaderName(line.slice(0, line.indexOf(':'))));
        return !isRemoved;
      });
      expect(serializeRequest(request)).toBe(head('GET / HTTP/1.1', 'Host: a', ...kept));
    }
  });

  it('can be all there are', () => {
    const response = responseHead(head('HTTP/1.1 200 OK', 'A: 1'));
    response.headers.remove(new HeaderName('a'));
    expect(serializeResponse(response, '')).toBe(head('HTTP/1.1 200 OK'));
  });
});

describe('added headers', () => {
  it('stand behind the received ones', () => {
    const request = requestHead(head('GET / HTTP/1.1', 'Host: a', 'X: 1'));
    request.headers.set(new HeaderName('x'), '2');
    request.headers.add(new HeaderName('y'), '3');
    expect(serializeRequest(request)).toBe(head('GET / HTTP/1.1', 'Host: a', 'x: 2', 'y: 3'));
  });
});

describe('the start line', () => {
  it('of a request is written anew when it cannot be forwarded', () => {
    const request = requestHead(head('GET http://a/x HTTP/1.0', 'Host: a', 'X: 1'));
    request.path = '/x';
    expect(serializeRequest(request)).toBe(head('GET /x HTTP/1.1', 'Host: a', 'X: 1'));
  });

  it('of a response is always that of HTTP/1.1', () => {
    expect(serializeResponse(responseHead(head('HTTP/1.0 418 Tea pot', 'X: 1')), '')).toBe(
      head('HTTP/1.1 418 Tea pot', 'X: 1'),
    );
  });

  it('is followed by Host when there was none', () => {
    const request = requestHead(head('GET / HTTP/1.0', 'X: 1'));
    request.authority = 'a';
    expect(serializeRequest(request)).toBe(head('GET / HTTP/1.1', 'X: 1', 'host: a'));
  });
});

describe('framing', () => {
  it('stands last and is ours', () => {
    const request = requestHead(head('POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: Chunked', 'X: 1'));
    removeHopByHop(request.headers);
    request.contentLength = chunkedBody;
    expect(serializeRequest(request)).toBe(head('POST / HTTP/1.1', 'Host: a', 'X: 1', 'transfer-encoding: chunked'));
  });
});

describe('hop-by-hop headers', () => {
  it('are removed every time they come', () => {
    const request = requestHead(
      head(
        'GET / HTTP/1.1',
        'TE: a',
        'Host: a',
        'te: b',
        'Keep-Alive: 1',
        'X: 1',
        'Connection: y',
        'Y: 1',
        'Connection: z, Q',
        'q: 1',
      ),
    );
    removeHopByHop(request.headers);
    expect(serializeRequest(request)).toBe(head('GET / HTTP/1.1', 'Host: a', 'X: 1'));
  });

  it('do not include what is only nearly named', () => {
    const request = requestHead(head('GET / HTTP/1.1', 'Host: a', 'Connection: x', 'X-Y: 1', 'Connections: 2'));
    removeHopByHop(request.headers);
    expect(serializeRequest(request)).toBe(head('GET / HTTP/1.1', 'Host: a', 'X-Y: 1', 'Connections: 2'));
  });

  it('cost no more than a look at each, however many are named', () => {
    const names = 'x,'.repeat(29_000);
    const fields = Array.from({ length: 90 }, (_, i) => `Some-Header-${i}: 1`);
    const request = requestHead(head('GET / HTTP/1.1', 'Host: a', `Connection: ${names}`, ...fields));
    const startMs = performance.now();
    removeHopByHop(request.headers);
    expect(performance.now() - startMs).toBeLessThan(200);
  });
});

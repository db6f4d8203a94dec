import { expect, test } from 'vitest';
import type { FilterFactory } from '../../../proxy/http/filter.ts';
import { Backend, echoOf, type Responder } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { RawConnection, type RawResponse } from '../../support/raw-connection.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { unusedPort } from '../../support/unused-port.ts';

/**
 * Streams, heads, filters and connections are pooled. Whatever one request did to them, the next one must meet them as
 * new: so random requests share a few connections, and each answer is compared with what that request alone would get.
 */
interface Plan {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly isChunked: boolean;
}

class PlanMaker {
  readonly #random: () => number;
  #count = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  next(): Plan {
    const method = this.#oneOf(['GET', 'GET', 'POST', 'PUT', 'DELETE']);
    const hasBody = method === 'POST' || method === 'PUT';
    const headers: Record<string, string> = {};
    for (let i = this.#below(6); i > 0; i--) headers[`x-h${this.#below(20)}`] = this.#text(this.#below(40));
    if (this.#below(3) === 0) headers['x-request-id'] = `id-${this.#count}`;
    if (this.#below(4) === 0) headers['x-hold'] = '1';
    return {
      method,
      path: `${this.#oneOf(['/echo', '/echo', '/added', '/direct', '/unknown', '/dead', '/none'])}?n=${this.#count++}`,
      headers,
      body: hasBody ? this.#text(this.#oneOf([0, 1, 100, 20_000])) : '',
      isChunked: hasBody && this.#below(2) === 0,
    };
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #oneOf<T>(list: readonly [T, ...T[]]): T {
    return list[this.#below(list.length)] ?? list[0];
  }

  #text(length: number): string {
    return Array.from({ length }, () => String.fromCharCode(97 + this.#below(26))).join('');
  }
}

function textOf({ method, path, headers, body, isChunked }: Plan): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const start = `${method} ${path} HTTP/1.1\r\nhost: test\r\n${lines.join('')}`;
  if (!isChunked) return `${start}${body === '' ? '' : `content-length: ${body.length}\r\n`}\r\n${body}`;
  const chunk = body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`;
  return `${start}transfer-encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`;
}

const expectedStatus: Readonly<Record<string, number>> = {
  '/echo': 200,
  '/added': 200,
  '/direct': 218,
  '/unknown': 503,
  '/dead': 503,
  '/none': 404,
};

/** What the application must have got, no header more and none less. */
function expectedUpstream({ method, path, headers, body, isChunked }: Plan): object {
  const framing = isChunked ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(body.length) };
  return {
    method,
    url: path,
    body,
    headers: {
      host: 'test',
      'x-forwarded-proto': 'http',
      ...headers,
      'x-request-id': headers['x-request-id'] ?? expect.stringMatching(/^[0-9a-f-]{36}$/),
      ...(body === '' && !isChunked ? {} : framing),
      ...(path.startsWith('/added') ? { 'x-added': 'by the route' } : {}),
    },
  };
}

function check(plan: Plan, { status, headers, body }: RawResponse): void {
  const [page = ''] = plan.path.split('?');
  expect({ path: plan.path, status }).toEqual({ path: plan.path, status: expectedStatus[page] });
  expect(headers['x-added']).toBe(page === '/added' ? 'to the response' : undefined);
  expect(headers['x-heddle-reason'] !== undefined).toBe(status > 400);
  expect(headers['x-envoy-upstream-service-time'] !== undefined).toBe(status === 200);
  if (status !== 200) return;
  const { name: _, ...upstream } = echoOf({ body });
  expect(upstream).toEqual(expectedUpstream(plan));
}

const hold: FilterFactory = (stream) => ({
  decodeHeaders: (head) => {
    if (!head.headers.text.includes('x-hold')) return 'continue';
    setTimeout(() => stream.continueDecoding(), 1);
    return 'stop';
  },
});

/** Sometimes in one piece with a length, sometimes in chunks. */
const echoEitherWay: Responder = (request, response, { name }) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { method, url, headers } = request;
    const text = JSON.stringify({ name, method, url, headers, body: chunks.join('') });
    if (text.length % 2 === 0) response.setHeader('content-length', text.length);
    else response.write(text.slice(0, 5));
    response.end(text.length % 2 === 0 ? text : text.slice(5));
  });
};

test.each([1, 2, 3, 4])('no request leaves a trace in another one (seed %i)', async (seed) => {
  const backend = closeAfterTest(await Backend.start('backend', echoEitherWay));
  const added = (value: string) => [{ header: { key: 'x-added', value } }];
  const at = (prefix: string) => ({ match: { prefix } });
  const proxy = closeAfterTest(
    new ProxyParts({
      routes: routeConfiguration([
        routeTo('backend', {}, at('/echo')),
        routeTo(
          'backend',
          {},
          {
            ...at('/added'),
            request_headers_to_add: added('by the route'),
            response_headers_to_add: added('to the response'),
          },
        ),
        { ...at('/direct'), direct_response: { status: 218, body: { inline_string: 'direct' } } },
        routeTo('unknown', {}, at('/unknown')),
        routeTo('dead', {}, at('/dead')),
      ]),
      clusters: [staticCluster('backend', [backend.port]), staticCluster('dead', [await unusedPort()])],
      filters: [hold],
      seed,
    }),
  );
  await proxy.start();
  const plans = new PlanMaker(seed);
  const talk = async (): Promise<void> => {
    let client = closeAfterTest(await RawConnection.open(proxy.port()));
    for (let i = 0; i < 60; i++) {
      const plan = plans.next();
      if (client.isEnded) client = closeAfterTest(await RawConnection.open(proxy.port()));
      client.send(textOf(plan));
      const response = await client.readResponse();
      check(plan, response);
      const finished = proxy.finished.find(({ path }) => path === plan.path);
      if (response.status === 200) {
        expect(finished).toMatchObject({
          requestBytes: plan.body.length,
          responseBytes: response.body.length,
          flag: '-',
        });
      }
      // An answer that came before its request was whole ends the connection.
      if (response.status !== 200 && plan.method !== 'GET') {
        client.destroy();
        client = closeAfterTest(await RawConnection.open(proxy.port()));
      }
    }
  };
  await Promise.all([talk(), talk(), talk()]);
  expect(proxy.finished).toHaveLength(180);
});

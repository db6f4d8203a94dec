import { createHmac } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createHttpCaller, type HttpCaller } from '../../../mixer/canary/http-caller.ts';
import { queryPrometheus } from '../../../mixer/canary/prometheus-query.ts';
import type { Webhook } from '../../../mixer/canary/release-plan.ts';
import { callWebhook, signatureHeader } from '../../../mixer/canary/webhook.ts';
import { systemClock } from '../../../proxy/common/clock.ts';
import { unusedPort } from '../../support/unused-port.ts';
import { startServer, type TestServer } from './hostile-servers.ts';

let server: TestServer;
let caller: HttpCaller;
let dir: string;

beforeEach(async () => {
  server = await startServer((response) => response.end('{}'));
  caller = createHttpCaller();
  dir = await mkdtemp(join(tmpdir(), 'heddle-webhook-'));
});

afterEach(async () => {
  await caller.close();
  await server.close();
  await rm(dir, { recursive: true });
});

const payload = { name: 'reviews', namespace: 'default', phase: 'Progressing', checksum: 'abc', metadata: {} };

const call = (hook: Partial<Webhook> = {}) =>
  callWebhook(
    {
      name: 'gate',
      type: 'rollout',
      url: `${server.url}/gate`,
      timeoutMs: 1000,
      retries: 0,
      metadata: {},
      secretFile: undefined,
      ...hook,
    },
    payload,
    { caller, clock: systemClock, random: () => 0 },
  );

describe('a webhook', () => {
  test('hears which release asks, with what the user wrote', async () => {
    expect(await call({ metadata: { team: 'a' } })).toMatchObject({ isPassed: true });
    const [asked] = server.asked;
    expect(asked).toMatchObject({ method: 'POST', path: '/gate' });
    expect(JSON.parse(asked?.body ?? '')).toEqual({ ...payload, metadata: { team: 'a' } });
    expect(asked?.headers).not.toHaveProperty(signatureHeader);
  });

  test('can tell by the signature that the body is ours, with the secret of now', async () => {
    const secretFile = join(dir, 'secret');
    for (const secret of ['first', 'second']) {
      await writeFile(secretFile, `${secret}\n`);
      await call({ secretFile });
      const { body, headers } = server.asked.at(-1)!;
      expect(headers[signatureHeader]).toBe(`sha256=${createHmac('sha256', secret).update(body).digest('hex')}`);
    }
  });

  test('is not called without the secret that it should be signed with', async () => {
    const answer = await call({ secretFile: join(dir, 'none') });
    expect(answer).toMatchObject({ isPassed: false, message: expect.stringContaining('ENOENT') as string });
    expect(server.asked).toHaveLength(0);
  });

  test('is asked again after a failure, as often as said', async () => {
    server.answer = (response) => {
      response.statusCode = server.asked.length < 3 ? 503 : 200;
      response.end();
    };
    expect((await call({ retries: 1 })).isPassed).toBe(false);
    expect((await call({ retries: 1 })).isPassed).toBe(true);
    expect(server.asked).toHaveLength(3);
  });

  const faults: readonly [what: string, answer: TestServer['answer'], message: RegExp][] = [
    ['hangs', () => {}, /no answer .* within 200 ms/],
    ['hangs in the middle of its answer', (response) => void response.write('x'), /within 200 ms/],
    ['never stops talking', (response) => pour(response), /more than 65536 bytes|within 200 ms/],
    [
      'redirects in a circle',
      (response) => void response.writeHead(307, { location: '/gate' }).end(),
      /more than 3 times/,
    ],
    [
      'redirects to no URL',
      (response) => void response.writeHead(308, { location: 'file:///etc/passwd' }).end(),
      /no URL/,
    ],
    [
      'sends another method elsewhere',
      (response) => void response.writeHead(302, { location: '/' }).end(),
      /status 302/,
    ],
    ['says no', (response) => void response.writeHead(403).end(), /status 403/],
    ['breaks the connection', (response) => void response.destroy(), /cannot be called/],
  ];
  for (const [what, answer, message] of faults) {
    test(`that ${what} is no pass, and bounded`, async () => {
      server.answer = answer;
      const startMs = performance.now();
      const said = await call({ timeoutMs: 200 });
      expect(said).toMatchObject({ isPassed: false, message: expect.stringMatching(message) as string });
      expect(performance.now() - startMs).toBeLessThan(2000);
      expect(server.asked.length).toBeLessThanOrEqual(4);
    });
  }

  test('that is not there is no pass', async () => {
    expect(await call({ url: `http://127.0.0.1:${await unusedPort()}/` })).toMatchObject({ isPassed: false });
  });

  test('may move by 307 three times, the body with it', async () => {
    server.answer = (response, { path }) => {
      const next = { '/gate': '/a', '/a': '/b', '/b': '/c' }[path];
      if (next === undefined) response.end();
      else response.writeHead(307, { location: next }).end();
    };
    expect((await call()).isPassed).toBe(true);
    expect(new Set(server.asked.map(({ body }) => body)).size).toBe(1);
  });
});

function pour(response: { write(text: string): boolean; once(event: 'drain', on: () => void): void }): void {
  while (response.write('x'.repeat(16_384)));
  response.once('drain', () => pour(response));
}

describe('a Prometheus query', () => {
  const vector = (...values: string[]): object => ({
    status: 'success',
    data: { resultType: 'vector', result: values.map((value) => ({ metric: {}, value: [1, value] })) },
  });
  const cases: readonly [what: string, body: unknown, result: object][] = [
    ['one series', vector('0.25'), { value: 0.25 }],
    ['a scalar', { status: 'success', data: { resultType: 'scalar', result: [1, '7'] } }, { value: 7 }],
    ['NaN', vector('NaN'), { fault: 'the query gives NaN, which is no data' }],
    ['infinity', vector('+Inf'), { fault: 'the query gives +Inf, which is no data' }],
    ['an empty text', vector(''), { fault: expect.stringContaining('no data') as string }],
    ['no series', vector(), { fault: 'the query gives 0 series, one is needed' }],
    ['two series', vector('1', '2'), { fault: 'the query gives 2 series, one is needed' }],
    [
      'a matrix',
      { status: 'success', data: { resultType: 'matrix', result: [] } },
      { fault: expect.any(String) as string },
    ],
    ['an error', { status: 'error', error: 'parse error' }, { fault: 'Prometheus did not answer with a result' }],
    ['null', null, { fault: 'Prometheus did not answer with a result' }],
    ['a list', [1], { fault: 'Prometheus did not answer with a result' }],
  ];
  for (const [what, body, result] of cases) {
    test(`that gives ${what}`, async () => {
      server.answer = (response) => response.end(JSON.stringify(body));
      expect(await queryPrometheus(caller, server.url, 'up{a="b"}')).toEqual(result);
      expect(server.asked[0]?.path).toBe(`/api/v1/query?query=${encodeURIComponent('up{a="b"}')}`);
    });
  }

  test('that gets no JSON, or a failure, has no value', async () => {
    server.answer = (response) => response.end('<html>');
    expect(await queryPrometheus(caller, server.url, 'up')).toHaveProperty('fault');
    server.answer = (response) => void response.writeHead(500).end(JSON.stringify(vector('1')));
    expect(await queryPrometheus(caller, server.url, 'up')).toEqual({
      fault: 'Prometheus answered with HTTP status 500',
    });
  });
});

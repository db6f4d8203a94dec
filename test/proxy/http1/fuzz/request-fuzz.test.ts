/** What the fuzzer of requests excuses, and that it excuses nothing else. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { head } from '../request-case.ts';
import { RequestHarness } from './request-fuzz.ts';

let harness: RequestHarness;

beforeAll(async () => {
  harness = await RequestHarness.start();
});
afterAll(() => harness.close());

const upgrade = head('GET / HTTP/1.1', 'Host: a', 'Connection: upgrade', 'Upgrade: websocket');
const judge = (...requests: readonly string[]) => harness.judge(requests.join(''), [requests.join('')]);

describe('behind an upgrade that is not granted', () => {
  it('a method that node:http does not know is excused by name, and soon', async () => {
    const startMs = performance.now();
    const verdict = await judge(upgrade, head('get / HTTP/1.1', 'Host: a'));
    expect(verdict).toEqual({
      forwarded: 0,
      finding: undefined,
      excuse: 'node:http stops reading behind an upgrade that it does not grant',
    });
    // The proxy gives such a client up after 3 s.
    expect(performance.now() - startMs).toBeLessThan(2_500);
  });

  it('however many such requests follow', async () => {
    const unknown = head('get / HTTP/1.1', 'Host: a');
    expect(await judge(upgrade, unknown, unknown, unknown, unknown)).toMatchObject({ excuse: expect.any(String) });
  });

  it('a method that it knows is read and compared', async () => {
    const known = head('GET /2 HTTP/1.1', 'Host: a');
    expect(await judge(upgrade, known)).toEqual({ forwarded: 2, finding: undefined });
  });
});

it('without an upgrade nothing is excused', async () => {
  const verdict = await judge(head('GET / HTTP/1.1', 'Host: a'), head('get / HTTP/1.1', 'Host: a'));
  expect(verdict.excuse).toBeUndefined();
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { statusOf } from '../../support/http-message.ts';
import { RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { malformedRequests } from './malformed-requests.ts';
import { type RequestCase, forwarded, head } from './request-case.ts';
import { splitAt, splitOffsets } from './splits.ts';
import { wellFormedRequests } from './well-formed-requests.ts';

const backend = new RawBackend();
let proxy: CodecProxy;

beforeAll(async () => {
  await backend.start();
  proxy = await CodecProxy.start({ upstreamPorts: [backend.port] });
});
afterAll(async () => {
  await proxy.close();
  await backend.close();
});

/** Sends the case's bytes in `pieces` on a connection of its own and returns what happened, in the case's own terms. */
async function exchange({ statuses, closes, heads }: RequestCase, pieces: readonly string[]): Promise<unknown> {
  backend.clear();
  const client = await RawClient.connect(proxy.port);
  try {
    await client.sendPieces(pieces);
    const responses = await client.untilResponses(statuses.length, heads);
    if (closes) await client.untilOver();
    return {
      upstream: backend.requests.map(({ head, body }) => ({ head, body })),
      statuses: responses.map(statusOf),
      closes: client.isOver,
      wasReset: client.wasReset,
      rest: client.receivedBytes - responses.reduce((sum, { length }) => sum + length, 0),
    };
  } finally {
    client.destroy();
  }
}

function expected({ upstream, statuses, closes }: RequestCase): unknown {
  return { upstream, statuses, closes, wasReset: false, rest: 0 };
}

describe.each([
  ['forwards', wellFormedRequests],
  ['refuses', malformedRequests],
])('the proxy %s', (_, cases) => {
  it.each(cases.map((each) => [each.name, each] as const))('%s, whole or split at any byte', async (_, each) => {
    expect(await exchange(each, [each.send]), 'whole').toEqual(expected(each));
    for (const offset of splitOffsets(each.send)) {
      expect(await exchange(each, splitAt(each.send, offset)), `split at ${offset}`).toEqual(expected(each));
    }
    if (each.send.length < 400)
      expect(await exchange(each, each.send.split('')), 'byte by byte').toEqual(expected(each));
    await proxy.untilQuiet();
  });
});

describe('a connection', () => {
  it('serves the next request after any well-formed one that does not close it', async () => {
    const next = ['GET /next HTTP/1.1', 'Host: a'];
    for (const each of wellFormedRequests.filter(({ closes }) => !closes)) {
      const { upstream, statuses, ...rest } = each;
      const followed = { ...rest, upstream: [...upstream, forwarded(next)], statuses: [...statuses, 200] };
      expect(await exchange(followed, [each.send, head(...next)]), each.name).toEqual(expected(followed));
    }
    await proxy.untilQuiet();
  });
});

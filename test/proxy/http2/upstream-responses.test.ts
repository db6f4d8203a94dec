/** What servers answer, to the letter: what is malformed becomes a 502 or a reset, and never a response. */
import { describe, expect, it } from 'vitest';
import { FrameType, codeOf } from '../../support/http2/frames.ts';
import { answerOk, type RawRequest } from '../../support/http2/raw-server.ts';
import {
  type ResponseCase,
  brokenResponses,
  connectionErrors,
  malformedResponses,
  unusualResponses,
} from './response-cases.ts';
import { requestFields } from './server-case.ts';
import { outcomeOf, useUpstream } from './upstream-setup.ts';

const upstream = useUpstream();

/** The server answers `/bad` as the case says, in one go or byte by byte, and everything else as it should. */
async function exchange(each: ResponseCase, isSplit: boolean): Promise<string> {
  let sending: Promise<void> = Promise.resolve();
  upstream.server.onRequest = (request) => {
    if (request.path === '/held') return;
    if (request.path !== '/bad') return answerOk(request);
    const bytes = each.send(request.streamId);
    if (isSplit) sending = request.peer.sendByteByByte(bytes);
    else request.peer.send(bytes);
  };
  const outcome = outcomeOf(await upstream.call(each.method, '/bad'));
  await sending;
  return outcome;
}

function expected({ outcome }: ResponseCase): unknown {
  return outcome === 'reset or ended after 204' ? expect.stringMatching(/^(reset after 204|204 )$/) : outcome;
}

describe.each([
  ['malformed', malformedResponses],
  ['broken', brokenResponses],
  ['unusual', unusualResponses],
])('a %s response:', (_, cases) => {
  it.each(cases.map((each) => [each.name, each] as const))('%s', async (_, each) => {
    for (const isSplit of [false, true]) {
      expect(await exchange(each, isSplit), isSplit ? 'byte by byte' : 'in one go').toEqual(expected(each));
      expect(outcomeOf(await upstream.call('GET', '/next')), 'the next request').toBe('200 ok');
    }
    expect(upstream.server.connections.length, 'connections').toBe(1);
    expect(upstream.server.countOf('/bad'), 'it is never sent again').toBe(2);
  });
});

describe('an error of the connection:', () => {
  it.each(connectionErrors.map((each) => [each.name, each] as const))('%s', async (_, each) => {
    for (const isSplit of [false, true]) {
      expect(await exchange(each, isSplit), isSplit ? 'byte by byte' : 'in one go').toMatch(/^50[23] /);
      const broken = upstream.server.connections.at(-1);
      await broken?.untilOver();
      expect(outcomeOf(await upstream.call('GET', '/next')), 'the next request').toBe('200 ok');
      const goaways = broken?.frames.filter(({ type }) => type === FrameType.goaway).map(codeOf);
      expect(goaways, 'it is said why').toEqual([expect.toSatisfy((code: number) => code !== 0)]);
    }
    expect(upstream.server.countOf('/bad'), 'it is never sent again').toBe(2);
  });

  it('ends all requests on it, each with an error', async () => {
    const held: RawRequest[] = [];
    upstream.server.onRequest = (request) => {
      if (request.path === '/held') held.push(request);
      else request.peer.send(Buffer.alloc(9, 0xff));
    };
    upstream.server.onHead = ({ peer, streamId, path }) => {
      if (path === '/begun') peer.sendHead(streamId, [[':status', '200']], false);
    };
    await upstream.call('GET', '/warm').catch(() => {});
    const { client } = upstream;
    client.sendHead(3, requestFields('GET', '/held'));
    client.sendHead(5, requestFields('POST', '/begun'), false);
    await client.until(() => client.message(5).status === 200, 'the head');
    client.sendHead(7, requestFields('GET', '/bad'));
    expect(outcomeOf(await upstream.patiently(3))).toMatch(/^50[23] /);
    expect(outcomeOf(await upstream.patiently(7))).toMatch(/^50[23] /);
    expect(outcomeOf(await upstream.patiently(5))).toBe('reset after 200');
  });
});

describe('a malformed response', () => {
  it('disturbs no other request on its connection', async () => {
    const held: RawRequest[] = [];
    upstream.server.onRequest = (request) => {
      if (request.path === '/held') held.push(request);
      else if (request.path === '/bad') request.peer.sendHead(request.streamId, [['x', '1']]);
      else answerOk(request);
    };
    await upstream.call('GET', '/warm');
    const { client } = upstream;
    client.sendHead(3, requestFields('GET', '/held'));
    client.sendHead(5, requestFields('GET', '/bad'));
    expect(outcomeOf(await upstream.patiently(5))).toBe('502 UPE');
    for (const request of held) answerOk(request);
    expect(outcomeOf(await upstream.patiently(3))).toBe('200 ok');
  });
});

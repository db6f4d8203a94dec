/** What a client may send, to the letter of RFC 9113 and 7541: whatever is wrong is refused as it is asked, and goes nowhere. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { FaultLog } from '../../support/http2/fault-log.ts';
import { RawPeer } from '../../support/http2/raw-peer.ts';
import { RawBackend, okResponse } from '../../support/raw-backend.ts';
import { turns, until } from '../../support/turns.ts';
import { formatCases, paddingCases, prefaceCases, sizeCases, streamIdCases } from './connection-cases.ts';
import { readableCases, tableCases, unreadableCases } from './hpack-cases.ts';
import {
  authorityCases,
  connectCases,
  headerCases,
  lengthCases,
  pseudoCases,
  trailerFieldCases,
} from './message-cases.ts';
import { type ServerCase, describeFrames, describeOutcome, endsConnection, get, isOutcome } from './server-case.ts';
import { pingCases, settingsCases, windowCases } from './settings-cases.ts';
import {
  closedCases,
  continuationCases,
  halfClosedCases,
  idleCases,
  identifierCases,
  priorityCases,
  trailerCases,
} from './stream-cases.ts';

const backend = new RawBackend();
const log = new FaultLog();
let proxy: CodecProxy;
let peer: RawPeer;

beforeAll(async () => {
  await backend.start();
  proxy = await CodecProxy.start({
    upstreamPorts: [backend.port],
    manager: { codec_type: 'HTTP2' },
    logger: log.logger,
  });
});
afterEach(async () => {
  expect(log.lines).toEqual([]);
  peer.destroy();
  await proxy.untilQuiet();
});
afterAll(async () => {
  await proxy.close();
  await backend.close();
});

/** Of the request that shows that the connection goes on. */
const probeId = 1_001;

async function send({ send: steps, isGreeted }: ServerCase, isSplit: boolean): Promise<void> {
  peer = await RawPeer.connect(proxy.port);
  // In the middle of its preface it answers nothing.
  peer.isPolite = isGreeted;
  if (isGreeted) {
    peer.greet();
    await peer.untilGreeted();
  }
  for (const step of steps) {
    if (!Buffer.isBuffer(step)) await peer.whole(step.untilOver);
    else if (isSplit) await peer.sendByteByByte(step);
    else peer.send(step);
  }
}

/** Start lines of what the upstream saw whole, without the version. */
function seen(): string[] {
  return backend.requests
    .map(({ startLine }) => startLine.replace(' HTTP/1.1', ''))
    .filter((line) => line !== 'GET /next');
}

async function check(each: ServerCase, isSplit: boolean): Promise<void> {
  backend.clear();
  backend.onRequest = (connection, { startLine }) => {
    if (!startLine.includes('/held')) connection.send(okResponse);
  };
  await send(each, isSplit);
  const happens = (): boolean => each.outcomes.some((outcome) => isOutcome(peer, outcome, probeId));
  const wanted = each.outcomes.map(describeOutcome).join(', or ');
  const isFatal = each.outcomes.every(endsConnection);
  if (!isFatal && !peer.isOver) peer.send(get(probeId, '/next'));
  await until(
    () => peer.isOver || (happens() && peer.message(probeId).isEnded),
    () => `${each.section}: ${wanted}; got ${describeFrames(peer)}`,
    5_000,
  );
  // A connection that is reset tells so a turn after its last bytes.
  await turns(1);
  expect(happens() ? 'as wanted' : describeFrames(peer), wanted).toBe('as wanted');
  if (!peer.isOver) expect(peer.message(probeId).status, 'of the next request').toBe(200);
  expect(peer.breaches, 'what the proxy did wrong').toEqual([]);
  expectSeen(each);
}

/** What may be held, or must not be, is not there for sure. */
function expectSeen({ outcomes, upstream }: ServerCase): void {
  const isServed = outcomes.length === 1 && outcomes[0]?.kind === 'served';
  const isCertain = (line: string): boolean => !line.endsWith('/held');
  if (isServed) expect(seen().filter(isCertain).sort(), 'at the upstream').toEqual(upstream.filter(isCertain).sort());
  for (const line of seen()) expect(upstream, 'at the upstream').toContain(line);
  for (const { startLine } of backend.requests) expect(startLine).toMatch(/^[A-Z]+ \/(1|next|held)? HTTP\/1\.1$/);
}

const themes: readonly (readonly [string, readonly ServerCase[]])[] = [
  ['the preface', prefaceCases],
  ['the format of frames', formatCases],
  ['the size of frames', sizeCases],
  ['padding', paddingCases],
  ['frames on streams that they do not belong to', streamIdCases],
  ['identifiers of streams', identifierCases],
  ['idle streams', idleCases],
  ['half-closed streams', halfClosedCases],
  ['closed streams', closedCases],
  ['header blocks in pieces', continuationCases],
  ['priorities', priorityCases],
  ['trailers', trailerCases],
  ['SETTINGS', settingsCases],
  ['PING', pingCases],
  ['windows', windowCases],
  ['header blocks that cannot be read', unreadableCases],
  ['header blocks that can be read', readableCases],
  ['the table of header blocks', tableCases],
  ['pseudo-headers', pseudoCases],
  ['the authority', authorityCases],
  ['CONNECT', connectCases],
  ['headers', headerCases],
  ['lengths of bodies', lengthCases],
  ['fields of trailers', trailerFieldCases],
];

/** More than this is not sent byte by byte. */
const splitBytes = 1_000;

describe.each(themes)('%s:', (_, cases) => {
  it.each(cases.map((each) => [each.section, each.name, each] as const))('%s: %s', async (_, _name, each) => {
    await check(each, false);
    const bytes = each.send.reduce((sum, step) => sum + (Buffer.isBuffer(step) ? step.length : 0), 0);
    if (bytes > splitBytes || !each.isSplit) return;
    peer.destroy();
    await proxy.untilQuiet();
    await check(each, true);
  });
});

/** Clients that ask for much and take nothing of it: what waits in the proxy is bounded, whoever else comes is served. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Code, Setting, windowUpdate } from '../../support/http2/frames.ts';
import { http2Cluster } from '../../support/http2/bootstraps.ts';
import { NodeServer, type Protocol, protocols } from '../../support/http2/node-peers.ts';
import { RawPeer } from '../../support/http2/raw-peer.ts';
import { ProxyProcess } from '../../support/proxy-process.ts';
import { turns } from '../../support/turns.ts';
import { requestFields } from './server-case.ts';

const megabyte = 1_048_576;
const large = Buffer.alloc(megabyte, 'x');
const parts = {} as Record<Protocol, { readonly server: NodeServer; readonly proxy: ProxyProcess }>;
const peers: RawPeer[] = [];

beforeAll(async () => {
  for (const protocol of protocols) {
    const server = await NodeServer.start(protocol);
    server.respond = (request, response) => {
      request.resume();
      response.writeHead(200);
      response.end(request.url === '/large' ? large : 'ok');
    };
    // A thousand connections at once take their time.
    const cluster = { connect_timeout: '20s', ...(protocol === 'h2' ? http2Cluster() : {}) };
    parts[protocol] = { server, proxy: await ProxyProcess.start({ upstreamPort: server.port, cluster }) };
  }
});
beforeEach(() => {
  peers.length = 0;
});
afterEach(() => {
  for (const peer of peers.splice(0)) peer.destroy();
});
afterAll(async () => {
  for (const protocol of protocols) {
    await parts[protocol].proxy.close();
    await parts[protocol].server.close();
  }
});

async function expectServed(proxy: ProxyProcess): Promise<void> {
  const peer = await RawPeer.open(proxy.port);
  peer.sendHead(1, requestFields('GET', '/'));
  expect((await peer.whole(1)).status).toBe(200);
  peer.destroy();
}

describe.each(protocols)('with a server of %s,', (protocol) => {
  it('a thousand streams whose windows stay closed hold no more than a little each', async () => {
    const { proxy } = parts[protocol];
    await expectServed(proxy);
    const before = proxy.peakRssBytes;
    const peer = await RawPeer.open(proxy.port, [Setting.initialWindowSize, 0]);
    peers.push(peer);
    for (let i = 0; i < 1_000; i++) peer.sendHead(1 + 2 * i, requestFields('GET', '/large'));
    await peer.until(
      () => [...peer.messages.values()].filter(({ status }) => status === 200).length === 1_000,
      'heads',
      25_000,
    );
    await turns(500);
    const perStream = (proxy.peakRssBytes - before) / 1_000;
    expect(perStream, 'bytes for each stream').toBeLessThan(320_000);
    await expectServed(proxy);
    peer.destroy();
    expect(proxy.isAlive, proxy.output).toBe(true);
  });

  it('a client that has taken none of its answers gets no further ones, until it takes them', async () => {
    const { proxy } = parts[protocol];
    const peer = await RawPeer.open(proxy.port, [Setting.initialWindowSize, 0]);
    peers.push(peer);
    let id = 1;
    for (; id < 401 && !peer.messages.get(id - 2)?.resetCode; id += 2) {
      peer.sendHead(id, requestFields('GET', '/large'));
      await peer.until(
        () => peer.message(id).status === 200 || peer.message(id).resetCode !== undefined,
        `an answer on stream ${id}`,
      );
      await turns(3);
    }
    const refused = id - 2;
    expect(peer.message(refused).resetCode).toBe(Code.refusedStream);
    expect(refused, 'streams before').toBeGreaterThan(2 * 8);
    peer.send(windowUpdate(0, 1_000 * megabyte));
    for (let stream = 1; stream < refused; stream += 2) peer.send(windowUpdate(stream, 100 * megabyte));
    for (let stream = 1; stream < refused; stream += 2) expect((await peer.whole(stream)).isEnded).toBe(true);
    peer.sendHead(id, requestFields('GET', '/'));
    await peer.until(() => peer.message(id).status === 200, 'the next answer');
  });

  it('a client that reads nothing at all from its socket holds no more', async () => {
    const { proxy } = parts[protocol];
    const before = proxy.peakRssBytes;
    const peer = await RawPeer.open(proxy.port, [Setting.initialWindowSize, 100 * megabyte]);
    peers.push(peer);
    peer.send(windowUpdate(0, 1_000 * megabyte));
    peer.socket.pause();
    for (let i = 0; i < 500; i++) peer.sendHead(1 + 2 * i, requestFields('GET', '/large'));
    await turns(2_000);
    await expectServed(proxy);
    expect(proxy.peakRssBytes - before, 'bytes').toBeLessThan(150 * megabyte);
    peer.destroy();
    expect(proxy.isAlive, proxy.output).toBe(true);
  });

  it('a response that is asked for byte by byte comes byte by byte, and costs no more than that', async () => {
    const { proxy } = parts[protocol];
    const peer = await RawPeer.open(proxy.port, [Setting.initialWindowSize, 0]);
    peers.push(peer);
    peer.sendHead(1, requestFields('GET', '/large'));
    await peer.until(() => peer.message(1).status === 200, 'the head');
    const cpuBefore = proxy.cpuMs;
    const ownBefore = process.cpuUsage();
    for (let i = 0; i < 20; i++) {
      peer.send(Buffer.concat(Array.from({ length: 1_000 }, () => windowUpdate(1, 1))));
      await turns(5);
    }
    const wanted = 20_000;
    await peer.until(() => peer.message(1).bodyBytes === wanted || peer.isOver, `${wanted} bytes`, 20_000);
    const { user, system } = process.cpuUsage(ownBefore);
    expect((proxy.cpuMs - cpuBefore) / ((user + system) / 1_000)).toBeLessThan(20);
    expect(peer.breaches).toEqual([]);
    await expectServed(proxy);
  });
});

/** Which version of HTTP is spoken, on either side: by what the client begins with, and by what is configured. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { downstreamProtocolCluster, http2Cluster } from '../../support/http2/bootstraps.ts';
import { preface, settings } from '../../support/http2/frames.ts';
import { NodeClient, NodeServer, protocols } from '../../support/http2/node-peers.ts';
import { RawPeer } from '../../support/http2/raw-peer.ts';
import { RawServer } from '../../support/http2/raw-server.ts';
import { statusOf } from '../../support/http-message.ts';
import { RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { head } from '../http1/request-case.ts';
import { get } from './server-case.ts';

const backend = new RawBackend();
const closing: { close(): unknown }[] = [];

beforeAll(() => backend.start());
afterEach(async () => {
  backend.clear();
  for (const each of closing.splice(0).reverse()) await each.close();
});
afterAll(() => backend.close());

async function start(
  manager: Record<string, unknown>,
  cluster: Record<string, unknown> = {},
  port = backend.port,
): Promise<CodecProxy> {
  const proxy = await CodecProxy.start({ upstreamPorts: [port], manager, cluster });
  closing.push(proxy);
  return proxy;
}

describe('a listener of both versions', () => {
  it('speaks what each of its clients begins with', async () => {
    const proxy = await start({});
    for (const protocol of [...protocols, ...protocols]) {
      const client = await NodeClient.connect(protocol, proxy.port);
      expect((await client.call()).status).toBe(200);
      client.close();
    }
    await proxy.untilQuiet();
  });

  it('knows HTTP/2 wherever its first bytes are cut', async () => {
    const proxy = await start({});
    const bytes = Buffer.concat([preface, settings(), get(1, '/')]);
    for (let at = 1; at <= preface.length + 9; at++) {
      const peer = await RawPeer.connect(proxy.port);
      peer.isPolite = false;
      const before = proxy.stat('http.codec.downstream_cx_total');
      peer.send(bytes.subarray(0, at));
      await peer.until(() => proxy.stat('http.codec.downstream_cx_total') >= before);
      peer.send(bytes.subarray(at));
      expect((await peer.whole(1)).status, `cut at ${at}`).toBe(200);
      peer.destroy();
    }
    await proxy.untilQuiet();
  });

  it.each([
    ['P', false],
    ['PRI', false],
    ['PRI * HTTP/2.0\r\n\r\n', true],
  ])('ends with a client that says %j and no more', async (text, isHttp2) => {
    const proxy = await start({});
    const client = await RawClient.connect(proxy.port);
    client.send(text);
    client.end();
    await client.untilOver();
    // In front of its SETTINGS an HTTP/2 client reads nothing else, and HTTP/1.1 has nothing to answer.
    expect(client.text.startsWith('HTTP/1.1 200')).toBe(false);
    if (isHttp2) expect(client.text).not.toContain('HTTP/1.1');
    client.destroy();
    await proxy.untilQuiet();
    expect(backend.requests).toEqual([]);
  });

  it.each(['PUT / HTTP/1.1', 'POST / HTTP/1.1', 'PRIVATE / HTTP/1.1', 'P / HTTP/1.1', 'PR / HTTP/1.1'])(
    'takes %j for HTTP/1.1, byte by byte too',
    async (startLine) => {
      const proxy = await start({});
      for (const isSplit of [false, true]) {
        const client = await RawClient.connect(proxy.port);
        const text = head(startLine, 'Host: a', 'Content-Length: 0');
        await client.sendPieces(isSplit ? text.split('') : [text]);
        expect((await client.untilResponses(1)).map(statusOf)).toEqual([200]);
        client.destroy();
      }
      await proxy.untilQuiet();
    },
  );

  it('has no method PRI in HTTP/1.1', async () => {
    const proxy = await start({});
    const client = await RawClient.connect(proxy.port);
    client.send(head('PRI / HTTP/1.1', 'Host: a'));
    await client.untilOver();
    client.destroy();
    await proxy.untilQuiet();
    expect(backend.requests).toEqual([]);
  });
});

describe('a listener of one version', () => {
  it('of HTTP/1.1 refuses the preface of HTTP/2', async () => {
    const proxy = await start({ codec_type: 'HTTP1' });
    const peer = await RawClient.connect(proxy.port);
    peer.socket.write(Buffer.concat([preface, settings(), get(1, '/')]));
    await peer.untilOver();
    expect(peer.text).toMatch(/^HTTP\/1\.1 400 /);
    peer.destroy();
    expect(backend.requests).toEqual([]);
  });

  it('of HTTP/2 refuses a request in HTTP/1.1', async () => {
    const proxy = await start({ codec_type: 'HTTP2' });
    const client = await RawClient.connect(proxy.port);
    client.send(head('GET / HTTP/1.1', 'Host: a'));
    await client.untilOver();
    expect(client.text).not.toContain('HTTP/1.1');
    client.destroy();
    expect(backend.requests).toEqual([]);
  });
});

describe('a cluster', () => {
  it('of HTTP/2 speaks it whatever its clients speak, and HTTP/1.1 otherwise', async () => {
    const server = await RawServer.start();
    closing.push(server);
    const proxy = await start({}, http2Cluster(), server.port);
    for (const protocol of protocols) {
      const client = await NodeClient.connect(protocol, proxy.port);
      expect((await client.call({ path: `/${protocol}` })).body.toString()).toBe('ok');
      client.close();
    }
    expect(server.requests.map(({ path }) => path)).toEqual(['/h1', '/h2']);
    expect(server.breaches).toEqual([]);
    expect(server.connections.length, 'connections').toBe(1);
  });

  it.each(protocols)('that follows its clients speaks %s to those who speak it', async (protocol) => {
    const server = await NodeServer.start(protocol);
    closing.push(server);
    const proxy = await start({}, downstreamProtocolCluster(), server.port);
    const client = await NodeClient.connect(protocol, proxy.port);
    expect((await client.call()).body.toString()).toBe('ok');
    client.close();
    await proxy.untilQuiet();
  });

  it('of HTTP/2 whose host speaks HTTP/1.1 fails, and says so', async () => {
    const proxy = await start({}, http2Cluster());
    const client = await NodeClient.connect('h1', proxy.port);
    const { status } = await client.call();
    expect([502, 503]).toContain(status);
    client.close();
    await proxy.untilQuiet();
    expect(backend.requests.filter(({ startLine }) => startLine.endsWith(' HTTP/1.1'))).toEqual([]);
  });

  it('of HTTP/1.1 whose host speaks HTTP/2 fails, and says so', async () => {
    const server = await RawServer.start();
    closing.push(server);
    const proxy = await start({}, {}, server.port);
    const client = await NodeClient.connect('h2', proxy.port);
    const { status } = await client.call();
    expect([502, 503]).toContain(status);
    client.close();
    await proxy.untilQuiet();
  });
});

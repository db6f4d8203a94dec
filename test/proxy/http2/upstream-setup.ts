/** A client in HTTP/2, the proxy, and a raw server behind it that does as the test wants. */
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { http2Cluster } from '../../support/http2/bootstraps.ts';
import { FaultLog } from '../../support/http2/fault-log.ts';
import { RawPeer } from '../../support/http2/raw-peer.ts';
import { RawServer } from '../../support/http2/raw-server.ts';
import type { ReceivedMessage } from '../../support/http2/received-message.ts';
import type { Field } from '../../support/http2/hpack-writer.ts';
import { turns } from '../../support/turns.ts';
import { requestFields } from './server-case.ts';

type Json = Readonly<Record<string, unknown>>;

export interface UpstreamOptions {
  readonly action?: Json;
  readonly http2?: Json;
  readonly cluster?: Json;
}

export interface Upstream {
  readonly server: RawServer;
  readonly proxy: CodecProxy;
  /** Of this test; opened for it. */
  readonly client: RawPeer;
  /** Sends a request without body on the next stream; resolves when its response is over. */
  call(method: string, path: string, ...more: readonly Field[]): Promise<ReceivedMessage>;
  /** The response on a stream when it is over, while time goes by: what is retried waits in between. */
  patiently(streamId: number): Promise<ReceivedMessage>;
}

/** For the tests of a file: what a test leaves behind is gone before the next. */
export function useUpstream({ action = {}, http2 = {}, cluster = {} }: UpstreamOptions = {}): Upstream {
  const parts: { server?: RawServer; proxy?: CodecProxy; client?: RawPeer } = {};
  const log = new FaultLog();
  let nextId = 1;
  const need = <T>(part: T | undefined): T => {
    if (part === undefined) throw new Error('not started');
    return part;
  };
  beforeAll(async () => {
    parts.server = await RawServer.start();
    const options = { action, cluster: { ...cluster, ...http2Cluster(http2) }, logger: log.logger };
    parts.proxy = await CodecProxy.start({ upstreamPorts: [parts.server.port], ...options });
  });
  const upstream: Upstream = {
    get server() {
      return need(parts.server);
    },
    get proxy() {
      return need(parts.proxy);
    },
    get client() {
      return need(parts.client);
    },
    call: async (method, path, ...more) => {
      const client = (parts.client ??= await RawPeer.open(need(parts.proxy).port));
      const streamId = nextId;
      nextId += 2;
      client.sendHead(streamId, requestFields(method, path, ...more));
      return upstream.patiently(streamId);
    },
    patiently: async (streamId) => {
      const message = upstream.client.message(streamId);
      for (let ms = 0; ms < 60_000 && !message.isOver && !upstream.client.isOver; ms += 5) {
        await turns(1);
        if (ms > 100) upstream.proxy.clock.advance(5);
      }
      return upstream.client.whole(streamId);
    },
  };
  afterEach(async () => {
    expect(log.lines, 'what the proxy could not handle').toEqual([]);
    expect(parts.client?.breaches ?? [], 'what the proxy did wrong downstream').toEqual([]);
    expect(upstream.server.breaches, 'what the proxy did wrong upstream').toEqual([]);
    parts.client?.destroy();
    delete parts.client;
    nextId = 1;
    await upstream.server.clear();
    await upstream.proxy.untilQuiet();
  });
  afterAll(async () => {
    await upstream.proxy.close();
    await upstream.server.close();
  });
  return upstream;
}

/** Envoy's response flag of a response that the proxy made itself; undefined: it did not. */
export function flagOf(message: ReceivedMessage): string | undefined {
  return message.header('x-heddle-reason')?.split(' ', 1)[0];
}

/** What a client got, in short: a status with its flag or body, or the reset of its stream. */
export function outcomeOf(message: ReceivedMessage): string {
  if (message.resetCode !== undefined && !message.isEnded) return `reset after ${message.status}`;
  if (!message.isEnded) return 'no end';
  return `${message.status} ${flagOf(message) ?? message.body}`;
}

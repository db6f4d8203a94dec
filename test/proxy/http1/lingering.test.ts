/** The end of a connection, on a socket that takes bytes when the test says so. */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { beforeEach, describe, expect, it } from 'vitest';
import { defaultHttp2Options } from '../../../proxy/api/http2-options.ts';
import type { HttpConnectionManager } from '../../../proxy/api/listener.ts';
import { StatsStore } from '../../../proxy/common/stats.ts';
import { ConnectionManager } from '../../../proxy/http/connection-manager.ts';
import { ServerConnection } from '../../../proxy/http1/server-connection.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { turn } from '../../support/turns.ts';
import { head } from './request-case.ts';

class SlowSocket extends Duplex {
  taken = 0;
  wasReset = false;
  readonly #waiting: (() => void)[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#waiting.push(() => {
      this.taken += chunk.length;
      done();
    });
  }

  override _read(): void {}

  /** The peer reads what the kernel had room for. */
  release(): void {
    this.#waiting.shift()?.();
  }

  destroySoon(): void {
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  resetAndDestroy(): void {
    this.wasReset = true;
    this.destroy();
  }
}

const config: HttpConnectionManager = {
  statPrefix: 'test',
  codecType: 'AUTO',
  http2: defaultHttp2Options,
  routes: { kind: 'rds', routeConfigName: 'unused' },
  httpFilters: [],
  accessLogs: [],
  generateRequestId: false,
  normalizesPath: false,
  escapedSlashes: 'KEEP_UNCHANGED',
  underscoresInHeaders: 'ALLOW',
  origin: {
    usesRemoteAddress: false,
    xffNumTrustedHops: 0,
    internalAddresses: [],
    preservesExternalRequestId: false,
  },
  clientCert: { mode: 'SANITIZE', tells: { subject: false, cert: false, dns: false, uri: false } },
  mergesSlashes: false,
  maxRequestHeadersBytes: 61_440,
  maxHeadersCount: 100,
  requestHeadersTimeoutMs: 0,
  requestTimeoutMs: 0,
  streamIdleTimeoutMs: 60_000,
  idleTimeoutMs: 600_000,
  upgradeConfigs: new Map(),
};

/** More than one write. */
const body = 'x'.repeat(300_000);

let clock: ManualClock;
let socket: SlowSocket;
let connection: ServerConnection;

beforeEach(() => {
  clock = new ManualClock();
  const manager = new ConnectionManager(config, {
    clock,
    stats: new StatsStore(),
    filters: [
      (stream) => ({
        decodeHeaders: () => {
          stream.sendDirectResponse(200, body);
          return 'stop';
        },
      }),
    ],
    observers: [],
  });
  socket = new SlowSocket({ allowHalfOpen: true });
  connection = new ServerConnection(socket as unknown as Socket, manager);
});

function receive(text: string): void {
  const bytes = Buffer.from(text);
  connection.onBytes(bytes, bytes.length);
}

async function takeAll(): Promise<void> {
  for (let i = 0; i < 10; i++) {
    socket.release();
    await turn();
  }
}

const lastRequest = head('GET / HTTP/1.1', 'Host: a', 'Connection: close');

describe('behind the last answer of a connection', () => {
  it('the socket stays while the peer goes on reading', async () => {
    receive(lastRequest);
    for (let i = 0; i < 3; i++) {
      clock.advance(59_000);
      expect(socket.destroyed, `after ${i + 1} minutes`).toBe(false);
      socket.release();
      await turn();
    }
    await takeAll();
    expect(socket.taken).toBeGreaterThan(body.length);
    expect(socket.writableFinished, 'FIN').toBe(true);
  });

  it('a peer that reads no more is reset, because an end would say that this was all', () => {
    receive(lastRequest);
    clock.advance(63_000);
    expect(socket.destroyed).toBe(true);
    expect(socket.wasReset).toBe(true);
  });

  it('a peer that read all of it and does not close is left after a second', async () => {
    receive(lastRequest);
    await takeAll();
    expect(socket.destroyed).toBe(false);
    clock.advance(2_000);
    expect(socket.destroyed).toBe(true);
    expect(socket.wasReset).toBe(false);
  });

  it('what the peer still sends is discarded', async () => {
    receive(lastRequest + head('GET /2 HTTP/1.1', 'Host: a'));
    receive(head('GET /3 HTTP/1.1', 'Host: a'));
    await takeAll();
    expect(socket.taken).toBeLessThan(2 * body.length);
  });

  it('FIN of the peer ends it as soon as everything is written', async () => {
    receive(lastRequest);
    connection.onEnd();
    expect(socket.destroyed).toBe(false);
    await takeAll();
    expect(socket.destroyed).toBe(true);
    expect(socket.taken).toBeGreaterThan(body.length);
  });
});

describe('a drain', () => {
  it('closes an idle connection at once', async () => {
    connection.drain();
    await turn();
    expect(socket.writableEnded).toBe(true);
  });

  it('closes behind the answer to a request that has begun', async () => {
    receive('GET / HT');
    connection.drain();
    expect(socket.writableEnded).toBe(false);
    receive('TP/1.1\r\nHost: a\r\n\r\n');
    await takeAll();
    expect(socket.writableEnded).toBe(true);
    expect(socket.taken).toBeGreaterThan(body.length);
  });
});

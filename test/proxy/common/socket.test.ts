import net from 'node:net';
import { beforeEach, describe, expect, it } from 'vitest';
import { readBufferBytes } from '../../../proxy/common/io-buffers.ts';
import {
  type Acceptor,
  type SocketHandler,
  acceptSockets,
  connectSocket,
  endSocket,
  fdOf,
} from '../../../proxy/common/socket.ts';
import { onSocketFault } from '../../../proxy/common/socket-fault.ts';
import { readSocketOption, socketOptions } from '../../../proxy/common/socket-options.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { RawClient } from '../../support/raw-client.ts';
import { turns, until } from '../../support/turns.ts';

/** Records what it hears. */
class Recorder implements SocketHandler {
  readonly socket: net.Socket | undefined;
  events: string[] = [];
  bytes = '';
  keepsReading = true;

  constructor(socket?: net.Socket) {
    this.socket = socket;
  }

  onConnect(): void {
    this.events.push('connect');
  }

  onBytes(bytes: Buffer, length: number): boolean {
    expect(length).toBeLessThanOrEqual(readBufferBytes);
    this.bytes += bytes.toString('latin1', 0, length);
    return this.keepsReading;
  }

  onEnd(): void {
    this.events.push('end');
  }

  onDrain(): void {
    this.events.push('drain');
  }

  onClose(error: Error | undefined): void {
    this.events.push(error === undefined ? 'close' : 'close with error');
  }
}

type Handle = 'shared buffer' | 'ordinary sockets';

/** A listening server whose handle is hidden from `acceptSockets` when ordinary sockets are to be used. */
async function listen(handle: Handle, onSocket: (socket: net.Socket) => SocketHandler): Promise<number> {
  const server = closeAfterTest(net.createServer({ allowHalfOpen: true }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const acceptor: Acceptor = {
    accept: (socket) => ({ handler: onSocket(socket), whenWarm: (startReading) => startReading() }),
  };
  const hidden = new Proxy(server, {
    get: (target, name) => {
      if (name === '_handle') return undefined;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  expect(acceptSockets(handle === 'shared buffer' ? server : hidden, acceptor)).toBe(handle === 'shared buffer');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function connect(port: number): Promise<RawClient> {
  return closeAfterTest(await RawClient.connect(port));
}

let faults: unknown[];
beforeEach(() => {
  faults = [];
  onSocketFault((cause) => faults.push(cause));
});

describe.each(['shared buffer', 'ordinary sockets'] as const)('a server with %s', (handle) => {
  it('hands over bytes, FIN and the end', async () => {
    const recorders: Recorder[] = [];
    const port = await listen(handle, (socket) => {
      const recorder = new Recorder(socket);
      recorders.push(recorder);
      return recorder;
    });
    const client = await connect(port);
    await client.sendPieces(['ab', 'c']);
    client.end();
    await until(
      () => recorders[0]?.events.includes('end') === true,
      () => 'FIN',
    );
    const [recorder] = recorders;
    expect(recorder?.bytes).toBe('abc');
    // Half-open: an answer is still possible.
    recorder?.socket?.end('bye');
    await client.untilOver();
    expect(client.text).toBe('bye');
    await until(
      () => recorder?.events.at(-1) === 'close',
      () => 'the end',
    );
  });

  it('holds no small write back until an earlier one has been acknowledged (TCP_NODELAY)', async () => {
    const accepted: net.Socket[] = [];
    const port = await listen(handle, (socket) => {
      accepted.push(socket);
      return new Recorder(socket);
    });
    for (let i = 1; i <= 2; i++) {
      await connect(port);
      await until(() => accepted.length === i);
    }
    const tcpNoDelay = { level: socketOptions.SOL_TCP, name: 1 };
    for (const socket of accepted) {
      const value = Buffer.alloc(4);
      expect(readSocketOption(fdOf(socket), tcpNoDelay, value)).toBe(true);
      expect(value.readUInt8(0)).not.toBe(0);
    }
  });

  it('reports a reset as an error, once and last', async () => {
    const recorders: Recorder[] = [];
    const port = await listen(handle, (socket) => {
      const recorder = new Recorder(socket);
      recorders.push(recorder);
      return recorder;
    });
    const client = await connect(port);
    client.send('x');
    await until(
      () => recorders[0]?.bytes === 'x',
      () => 'a byte',
    );
    client.reset();
    await until(
      () => (recorders[0]?.events.length ?? 0) > 0,
      () => 'the end',
    );
    await turns(3);
    expect(recorders[0]?.events).toEqual(['close with error']);
  });

  it('reads no further while its handler wants no more, and goes on after resume', async () => {
    const recorders: Recorder[] = [];
    const port = await listen(handle, (socket) => {
      const recorder = new Recorder(socket);
      recorder.keepsReading = false;
      recorders.push(recorder);
      return recorder;
    });
    const client = await connect(port);
    await client.sendPieces(['a', 'b', 'c']);
    await turns(5);
    expect(recorders[0]?.bytes).toBe('a');
    const [recorder] = recorders;
    if (recorder !== undefined) recorder.keepsReading = true;
    recorder?.socket?.resume();
    await until(
      () => recorder?.bytes === 'abc',
      () => 'the rest',
    );
  });

  it('never gives one connection the bytes of another', async () => {
    const recorders: Recorder[] = [];
    const port = await listen(handle, (socket) => {
      const recorder = new Recorder(socket);
      recorders.push(recorder);
      return recorder;
    });
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect(port)));
    for (let round = 0; round < 10; round++) {
      clients.forEach((client, i) => client.send(`${i},`));
      await turns(1);
    }
    await until(
      () => recorders.length === 20 && recorders.every(({ bytes }) => bytes.split(',').length === 11),
      () => 'all bytes',
    );
    for (const { bytes } of recorders) expect(new Set(bytes.split(',').filter((text) => text !== '')).size).toBe(1);
  });

  it.each(['onBytes', 'onEnd'] as const)('loses one connection, not the process, when %s throws', async (method) => {
    let isFirst = true;
    const recorders: Recorder[] = [];
    const port = await listen(handle, (socket) => {
      const recorder = new Recorder(socket);
      recorders.push(recorder);
      if (isFirst) {
        recorder[method] = () => {
          throw new Error('a defect');
        };
      }
      isFirst = false;
      return recorder;
    });
    const broken = await connect(port);
    const healthy = await connect(port);
    broken.send('x');
    broken.end();
    await broken.untilOver();
    healthy.send('y');
    await until(
      () => recorders[1]?.bytes === 'y',
      () => 'the other connection',
    );
    expect(faults.map(String)).toEqual(['Error: a defect']);
    expect(recorders[0]?.events).toContain('close');
  });

  it('survives an acceptor and an onClose that throw', async () => {
    let attempts = 0;
    const port = await listen(handle, (socket) => {
      attempts++;
      if (attempts === 1) throw new Error('no handler');
      const recorder = new Recorder(socket);
      recorder.onClose = () => {
        throw new Error('no end');
      };
      return recorder;
    });
    const refused = await connect(port);
    await refused.untilOver();
    const second = await connect(port);
    second.reset();
    await until(
      () => faults.length === 2,
      () => 'two faults',
    );
    expect(faults.map(String)).toEqual(['Error: no handler', 'Error: no end']);
  });
});

describe('a socket of our own', () => {
  it('tells when it is connected, reads, and tells its end', async () => {
    const server = closeAfterTest(net.createServer((socket) => socket.end('hello')));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const recorder = new Recorder();
    const socket = connectSocket(
      { address: '127.0.0.1', port: typeof address === 'object' ? (address?.port ?? 0) : 0 },
      recorder,
    );
    await until(
      () => recorder.events.includes('end'),
      () => 'FIN',
    );
    expect(recorder.bytes).toBe('hello');
    socket.destroy();
    await until(
      () => recorder.events.includes('close'),
      () => 'the end',
    );
    expect(recorder.events).toEqual(['connect', 'end', 'close']);
  });

  it('that cannot be connected ends with an error and never was connected', async () => {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    await new Promise((resolve) => server.close(resolve));
    const recorder = new Recorder();
    connectSocket({ address: '127.0.0.1', port }, recorder);
    await until(
      () => recorder.events.length > 0,
      () => 'the end',
    );
    expect(recorder.events).toEqual(['close with error']);
  });
});

describe('an end of our own', () => {
  /** A connection of which both ends are here; the far one has ended when `isPeerDone`. */
  async function open(isPeerDone: boolean): Promise<{ near: net.Socket; far: RawClient }> {
    const recorders: Recorder[] = [];
    const port = await listen('shared buffer', (socket) => {
      recorders.push(new Recorder(socket));
      return recorders[0] ?? new Recorder(socket);
    });
    const far = await connect(port);
    if (isPeerDone) far.end();
    await until(() => recorders.length > 0 && (!isPeerDone || recorders[0]?.events.includes('end') === true));
    const near = recorders[0]?.socket;
    if (near === undefined) throw new Error('nobody came');
    return { near, far };
  }

  it('closes the socket at once where the peer has ended too, and the peer gets everything', async () => {
    const { near, far } = await open(true);
    near.write('bye');
    endSocket(near, true);
    expect(near.destroyed).toBe(true);
    await far.untilOver();
    expect([far.text, far.isEnded, far.errorCode]).toEqual(['bye', true, undefined]);
  });

  it('waits for what is not written yet', async () => {
    const { near, far } = await open(true);
    const bytes = Buffer.alloc(32 * 1_024 * 1_024, 'x');
    far.socket.pause();
    near.write(bytes);
    expect(near.writableLength).toBeGreaterThan(0);
    endSocket(near, true);
    expect(near.destroyed).toBe(false);
    far.socket.resume();
    await far.untilOver();
    expect([far.receivedBytes, far.errorCode]).toEqual([bytes.length, undefined]);
  });

  it('leaves the other direction open where the peer goes on', async () => {
    const { near, far } = await open(false);
    endSocket(near, false);
    await until(() => far.isEnded);
    expect(near.destroyed).toBe(false);
  });
});

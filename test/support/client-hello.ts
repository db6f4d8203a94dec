/** ClientHellos: real ones, caught as a server gets them, and ones made byte by byte. */
import { spawn } from 'node:child_process';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';

/** The first bytes that `connect` sends to a port. */
export async function catchHello(connect: (port: number) => { end: () => void }): Promise<Buffer> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const hello = new Promise<Buffer>((resolve) => {
    server.once('connection', (socket) => {
      socket.on('error', () => {});
      let bytes = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => {
        bytes = Buffer.concat([bytes, chunk]);
        if (bytes.length < 5 || bytes.length < 5 + bytes.readUInt16BE(3)) return;
        resolve(bytes);
        socket.destroy();
      });
    });
  });
  const client = connect((server.address() as AddressInfo).port);
  const bytes = await hello;
  client.end();
  server.close();
  return bytes;
}

export function catchNodeHello(options: tls.ConnectionOptions): Promise<Buffer> {
  return catchHello((port) => {
    const socket = tls.connect({ host: '127.0.0.1', port, ...options });
    socket.on('error', () => {});
    return { end: () => socket.destroy() };
  });
}

export function catchOpensslHello(args: readonly string[]): Promise<Buffer> {
  return catchHello((port) => {
    const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args], { stdio: 'ignore' });
    return { end: () => child.kill() };
  });
}

export interface HelloParts {
  readonly sessionId?: Buffer;
  readonly cipherSuites?: Buffer;
  readonly compressionMethods?: Buffer;
  /** Undefined: not even their length. */
  readonly extensions?: Buffer;
}

const someCiphers = Buffer.from([0x13, 0x01, 0x13, 0x02]);

/** A handshake message without records around it. */
export function helloMessage({ sessionId, cipherSuites, compressionMethods, extensions }: HelloParts): Buffer {
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    vector(1, sessionId ?? Buffer.alloc(0)),
    vector(2, cipherSuites ?? someCiphers),
    vector(1, compressionMethods ?? Buffer.alloc(1)),
    extensions === undefined ? Buffer.alloc(0) : vector(2, extensions),
  ]);
  return Buffer.concat([Buffer.from([1, body.length >> 16, (body.length >> 8) & 255, body.length & 255]), body]);
}

export function extension(type: number, data: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type >> 8, type & 255]), vector(2, data)]);
}

export function serverName(name: string, type = 0): Buffer {
  return extension(0, vector(2, Buffer.concat([Buffer.from([type]), vector(2, Buffer.from(name, 'latin1'))])));
}

export function alpn(...protocols: readonly string[]): Buffer {
  const names = protocols.map((protocol) => vector(1, Buffer.from(protocol, 'latin1')));
  return extension(16, vector(2, Buffer.concat(names)));
}

export function vector(size: 1 | 2, data: Buffer): Buffer {
  const { length } = data;
  return Buffer.concat([Buffer.from(size === 1 ? [length] : [length >> 8, length & 255]), data]);
}

/** `message` cut into records of at most `fragmentBytes`. */
export function inRecords(message: Buffer, fragmentBytes = 16_384): Buffer {
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += fragmentBytes) {
    records.push(Buffer.from([22, 3, 1]), vector(2, message.subarray(at, at + fragmentBytes)));
  }
  return Buffer.concat(records);
}

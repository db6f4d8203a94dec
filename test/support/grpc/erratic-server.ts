/** A server of HTTP/2, by Node, that does to streams and connections what no server of gRPC would be made to do. */
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { closeAfterTest } from '../closing.ts';
import type { CallEcho } from './cart-service.ts';

/** What becomes of a call. */
export type Mood = (stream: http2.ServerHttp2Stream, server: ErraticServer) => void;

/** Resets the stream with this code; `NGHTTP2_REFUSED_STREAM` says that nothing was done. */
export const resets =
  (code: number): Mood =>
  (stream) =>
    stream.close(code);

/** Says nothing, and does not look at the time, as servers of gRPC do. */
export const ignores: Mood = () => {};

/** Answers the first call of each connection; at the next one says that it goes away, and did not work on this call. */
export const goesAway: Mood = (stream, server) => {
  const { id = 1, session } = stream;
  if (id === 1) answers(stream, server);
  else session?.goaway(http2.constants.NGHTTP2_NO_ERROR, id - 2);
};

/** Is no server of gRPC, and answers as servers of HTTP do. */
export const answersWith =
  (status: number): Mood =>
  (stream) => {
    stream.respond({ ':status': status, 'content-type': 'text/plain' });
    stream.end('no gRPC here');
  };

/** Is well. */
export const answers: Mood = (stream, { name }) => {
  const echo: CallEcho = { name, path: '', host: '', metadata: {}, bytes: 0, timeoutMs: undefined };
  const message = Buffer.from(JSON.stringify(echo));
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.concat([prefix, message]));
};

export class ErraticServer {
  readonly name: string;
  readonly version: string;
  /** Asked for each call; may be replaced. */
  mood: Mood;
  calls = 0;
  readonly #server = http2.createServer();
  readonly #sessions = new Set<http2.ServerHttp2Session>();

  private constructor(version: string, mood: Mood) {
    this.version = version;
    this.name = `cart-${version}`;
    this.mood = mood;
    this.#server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('error', () => {});
      session.on('close', () => this.#sessions.delete(session));
    });
    this.#server.on('stream', (stream) => {
      this.calls += 1;
      stream.on('error', () => {});
      stream.resume();
      this.mood(stream, this);
    });
  }

  /** Ends with the test. */
  static async start(version: string, mood: Mood): Promise<ErraticServer> {
    const server = closeAfterTest(new ErraticServer(version, mood));
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const session of this.#sessions) session.destroy();
    });
  }
}

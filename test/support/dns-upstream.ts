/** A resolver of the test's own, over UDP and TCP on one port, that does with a question what the test says. */
import dgram from 'node:dgram';
import net from 'node:net';
import { withLength } from './dns-message.ts';

export interface UpstreamQuestion {
  readonly message: Buffer;
  readonly transport: 'udp' | 'tcp';
  /** Where the question came from. */
  readonly port: number;
}

/** Messages that are sent back, none for silence. */
export type Behaviour = (question: UpstreamQuestion) => readonly Buffer[];

/** The question as an answer without records: recursion available, the code. */
export function echoAnswer(message: Buffer, code = 0): Buffer {
  const answer = Buffer.from(message);
  answer.writeUInt16BE(0x8180 | code, 2);
  return answer;
}

export class DnsUpstream {
  readonly questions: UpstreamQuestion[] = [];
  behave: Behaviour;
  readonly #socket = dgram.createSocket('udp4');
  readonly #server = net.createServer((socket) => this.#serve(socket));
  readonly #connections = new Set<net.Socket>();

  constructor(behave: Behaviour) {
    this.behave = behave;
  }

  static async start(behave: Behaviour = ({ message }) => [echoAnswer(message)]): Promise<DnsUpstream> {
    const upstream = new DnsUpstream(behave);
    const socket = upstream.#socket;
    socket.on('message', (message, peer) => {
      for (const answer of upstream.#take({ message, transport: 'udp', port: peer.port })) {
        socket.send(answer, peer.port, peer.address);
      }
    });
    await new Promise<void>((resolve) => upstream.#server.listen(0, '127.0.0.1', resolve));
    await new Promise<void>((resolve) => socket.bind(upstream.port, '127.0.0.1', resolve));
    return upstream;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  #take(question: UpstreamQuestion): readonly Buffer[] {
    this.questions.push(question);
    return this.behave(question);
  }

  #serve(socket: net.Socket): void {
    this.#connections.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#connections.delete(socket));
    let bytes = Buffer.alloc(0);
    socket.on('data', (piece) => {
      bytes = Buffer.concat([bytes, piece]);
      if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE(0)) return;
      const message = bytes.subarray(2);
      for (const answer of this.#take({ message, transport: 'tcp', port: socket.remotePort ?? 0 })) {
        socket.write(withLength(answer));
      }
    });
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }
}

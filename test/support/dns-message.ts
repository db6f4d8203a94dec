/** DNS messages by hand, right and wrong ones, and a client that sends them and reads what comes. */
import dgram from 'node:dgram';
import net from 'node:net';

export interface QueryOptions {
  readonly id?: number;
  readonly type?: number;
  /** The largest UDP answer, as EDNS says it; undefined: no EDNS. */
  readonly ednsBytes?: number;
  readonly ednsVersion?: number;
  /** Of EDNS, with the DNSSEC bit. */
  readonly isDnssecOk?: boolean;
  /** The header's second word; default: recursion desired. */
  readonly flags?: number;
}

export function writeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  const parts = labels.map((label) => Buffer.from(`${String.fromCodePoint(label.length)}${label}`, 'latin1'));
  return Buffer.concat([...parts, Buffer.from([0])]);
}

export function dnsQuery(name: string, options: QueryOptions = {}): Buffer {
  const { id = 0x1234, type = 1, flags = 0x0100, ednsBytes, ednsVersion = 0, isDnssecOk = false } = options;
  const edns =
    ednsBytes === undefined
      ? []
      : [0, 0, 41, ednsBytes >> 8, ednsBytes & 0xff, 0, ednsVersion, isDnssecOk ? 0x80 : 0, 0, 0, 0];
  return Buffer.concat([
    words(id, flags, 1, 0, 0, edns.length === 0 ? 0 : 1),
    writeName(name),
    words(type, 1),
    Buffer.from(edns),
  ]);
}

export function words(...values: readonly number[]): Buffer {
  return Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]));
}

export interface Header {
  readonly id: number;
  readonly isAuthoritative: boolean;
  readonly isTruncated: boolean;
  readonly code: number;
  readonly questions: number;
  readonly answers: number;
  readonly additional: number;
}

export function readHeader(message: Buffer): Header {
  const word = message.readUInt16BE(2);
  return {
    id: message.readUInt16BE(0),
    isAuthoritative: (word & 0x0400) !== 0,
    isTruncated: (word & 0x0200) !== 0,
    code: word & 0x000f,
    questions: message.readUInt16BE(4),
    answers: message.readUInt16BE(6),
    additional: message.readUInt16BE(10),
  };
}

/** Resolves with the answer, undefined when there is none within `waitMs`. */
export async function askUdp(port: number, message: Buffer, waitMs = 5_000): Promise<Buffer | undefined> {
  const socket = dgram.createSocket('udp4');
  try {
    return await new Promise<Buffer | undefined>((resolve, reject) => {
      const timer = setTimeout(() => resolve(undefined), waitMs);
      socket.on('error', reject);
      socket.on('message', (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      socket.send(message, port, '127.0.0.1');
    });
  } finally {
    socket.close();
  }
}

export function withLength(message: Buffer): Buffer {
  return Buffer.concat([words(message.length), message]);
}

/** A TCP connection whose answers are taken one by one. */
export class DnsTcpClient {
  readonly socket: net.Socket;
  readonly answers: Buffer[] = [];
  /** Resolves when the other side has closed. */
  readonly closed: Promise<void>;
  #bytes = Buffer.alloc(0);
  #onAnswer = (): void => {};

  constructor(port: number) {
    this.socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.closed = new Promise((resolve) => this.socket.on('close', () => resolve()));
    this.socket.on('error', () => {});
    this.socket.on('end', () => this.socket.end());
    this.socket.on('data', (bytes) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      while (this.#bytes.length >= 2 && this.#bytes.length >= 2 + this.#bytes.readUInt16BE(0)) {
        const end = 2 + this.#bytes.readUInt16BE(0);
        this.answers.push(this.#bytes.subarray(2, end));
        this.#bytes = this.#bytes.subarray(end);
      }
      this.#onAnswer();
    });
  }

  /** Resolves when there are so many. */
  async waitForAnswers(count: number): Promise<readonly Buffer[]> {
    while (this.answers.length < count) await new Promise<void>((resolve) => (this.#onAnswer = resolve));
    return this.answers;
  }
}

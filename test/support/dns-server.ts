/** A DNS server on loopback that answers what the test says (RFC 1035 §4), counts who asks, and can be silent. */
import dgram from 'node:dgram';

export interface DnsRecord {
  /** IPv4; several are one answer. */
  readonly addresses: readonly string[];
  /** Seconds; default 1. */
  readonly ttl?: number;
}

const typeA = 1;
const nameError = 3;

export class DnsServer {
  /** By name, lower case. A name that is not there does not exist. */
  readonly records = new Map<string, DnsRecord>();
  /** Names asked for an IPv4 address, in order. */
  readonly questions: string[] = [];
  /** Takes questions and says nothing. */
  isSilent = false;
  readonly #socket = dgram.createSocket('udp4');

  static async start(records: Readonly<Record<string, readonly string[]>> = {}): Promise<DnsServer> {
    const server = new DnsServer();
    for (const [name, addresses] of Object.entries(records)) server.records.set(name, { addresses });
    server.#socket.on('message', (query, peer) => {
      const reply = server.#answer(query);
      if (reply !== undefined) server.#socket.send(reply, peer.port, peer.address);
    });
    await new Promise<void>((resolve) => server.#socket.bind(0, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }

  #answer(query: Buffer): Buffer | undefined {
    const { name, end } = readName(query, 12);
    const isIpv4 = query.readUInt16BE(end) === typeA;
    if (isIpv4) this.questions.push(name);
    if (this.isSilent) return undefined;
    const record = this.records.get(name.toLowerCase());
    const addresses = isIpv4 ? (record?.addresses ?? []) : [];
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    // A response, recursion desired and available; the code.
    head.writeUInt16BE(0x8180 | (record === undefined ? nameError : 0), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(addresses.length, 6);
    const answers = addresses.map((address) => writeAnswer(address, record?.ttl ?? 1));
    return Buffer.concat([head, query.subarray(12, end + 4), ...answers]);
  }
}

function readName(query: Buffer, start: number): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join('.'), end: at + 1 };
}

function writeAnswer(address: string, ttl: number): Buffer {
  const answer = Buffer.alloc(16);
  // The name of the question.
  answer.writeUInt16BE(0xc00c, 0);
  answer.writeUInt16BE(typeA, 2);
  answer.writeUInt16BE(1, 4);
  answer.writeUInt32BE(ttl, 6);
  answer.writeUInt16BE(4, 10);
  address.split('.').forEach((byte, i) => answer.writeUInt8(Number(byte), 12 + i));
  return answer;
}

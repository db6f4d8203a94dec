/** Writes answers to questions (RFC 1035 section 4.2, RFC 6891 section 6). */
import { addressBytes } from '../common/address-bytes.ts';
import { type DnsQuery, flags, headerBytes, recordTypes } from './message.ts';

/** What an answer over UDP may be, to a client that says nothing (RFC 1035 section 2.3.4). */
const plainUdpBytes = 512;
/** What fits into packets everywhere: the recommendation of the DNS flag day 2020. */
const ownUdpBytes = 1_232;
const maxMessageBytes = 65_535;

const ednsBytes = 11;

/** How many bytes the answer to a query may have. */
export function answerLimit(query: DnsQuery, transport: 'udp' | 'tcp'): number {
  return transport === 'tcp' ? maxMessageBytes : Math.max(plainUdpBytes, query.edns?.udpBytes ?? 0);
}

export interface OwnAnswer {
  readonly code: number;
  /** Whole records, about the name of the question. */
  readonly records: readonly Buffer[];
  readonly isAuthoritative: boolean;
  readonly isRecursionAvailable: boolean;
}

/** As many records as fit; when that is not all of them the answer says so (RFC 2181 section 9). */
export function writeAnswer(query: DnsQuery, answer: OwnAnswer, limit: number): Buffer {
  const { bytes, question, edns } = query;
  const room = limit - question.end - (edns === undefined ? 0 : ednsBytes);
  const fitting: Buffer[] = [];
  let size = 0;
  for (const record of answer.records) {
    if (size + record.length > room) break;
    fitting.push(record);
    size += record.length;
  }
  const head = Buffer.from(bytes.subarray(0, question.end));
  const asked = bytes.readUInt16BE(2) & (flags.isRecursionDesired | flags.isCheckingDisabled);
  const own =
    flags.isResponse |
    (answer.isAuthoritative ? flags.isAuthoritative : 0) |
    (answer.isRecursionAvailable ? flags.isRecursionAvailable : 0) |
    (fitting.length < answer.records.length ? flags.isTruncated : 0);
  head.writeUInt16BE(asked | own | (answer.code & flags.code), 2);
  writeCounts(head, 1, fitting.length, edns === undefined ? 0 : 1);
  return Buffer.concat([head, ...fitting, ...(edns === undefined ? [] : [writeEdns(edns.isDnssecOk, answer.code)])]);
}

/** What an invalid query hears: its header alone, for its question may be what is wrong. */
export function writeRefusal(bytes: Buffer, code: number): Buffer {
  const head = Buffer.from(bytes.subarray(0, headerBytes));
  const asked = bytes.readUInt16BE(2) & (flags.opcode | flags.isRecursionDesired | flags.isCheckingDisabled);
  head.writeUInt16BE(asked | flags.isResponse | code, 2);
  writeCounts(head, 0, 0, 0);
  return head;
}

/** A server's answer under the id of the client's query; without its records where it is too long for the client. */
export function relayAnswer(query: DnsQuery, answer: Buffer, limit: number): Buffer {
  const word = answer.readUInt16BE(2);
  if (answer.length > limit) {
    const code = word & flags.code;
    const cut = writeAnswer(query, { code, records: [], isAuthoritative: false, isRecursionAvailable: false }, limit);
    cut.writeUInt16BE(word | flags.isTruncated, 2);
    return cut;
  }
  const relayed = Buffer.from(answer);
  query.bytes.copy(relayed, 0, 0, 2);
  return relayed;
}

function writeCounts(head: Buffer, questions: number, answers: number, additional: number): void {
  head.writeUInt16BE(questions, 4);
  head.writeUInt16BE(answers, 6);
  head.writeUInt16BE(0, 8);
  head.writeUInt16BE(additional, 10);
}

/** Whoever asks with EDNS is answered with EDNS. The upper bits of the code stand there. */
function writeEdns(isDnssecOk: boolean, code: number): Buffer {
  const edns = Buffer.alloc(ednsBytes);
  edns.writeUInt16BE(recordTypes.OPT, 1);
  edns.writeUInt16BE(ownUdpBytes, 3);
  edns.writeUInt8(code >> 4, 5);
  edns.writeUInt8(isDnssecOk ? 0x80 : 0, 7);
  return edns;
}

/** One A or AAAA record about the name of the question, to which it points. */
export function writeAddressRecord(address: string, ttlSeconds: number): Buffer {
  const data = addressBytes(address);
  const record = Buffer.alloc(12 + data.length);
  record.writeUInt16BE(0xc000 | headerBytes, 0);
  record.writeUInt16BE(address.includes(':') ? recordTypes.AAAA : recordTypes.A, 2);
  record.writeUInt16BE(1, 4);
  record.writeUInt32BE(ttlSeconds, 6);
  record.writeUInt16BE(data.length, 10);
  record.set(data, 12);
  return record;
}

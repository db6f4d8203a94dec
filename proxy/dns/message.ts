/**
 * Reads questions (RFC 1035 section 4): header, the one question, and EDNS. What is forwarded stays the bytes that came,
 * so no other record is ever read, only stepped over. Every step goes forward and no pointer is followed: one pass, whatever
 * the bytes are. Nothing throws.
 */

export const headerBytes = 12;

export const recordTypes = { A: 1, AAAA: 28, OPT: 41 } as const;
export const classInternet = 1;

export type AddressType = typeof recordTypes.A | typeof recordTypes.AAAA;

export function isAddressType(type: number): type is AddressType {
  return type === recordTypes.A || type === recordTypes.AAAA;
}

/** RFC 1035 section 4.1.1, RFC 6891 section 9. */
export const responseCodes = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const;

/** Bits of the header's second word. */
export const flags = {
  isResponse: 0x8000,
  opcode: 0x7800,
  isAuthoritative: 0x0400,
  isTruncated: 0x0200,
  isRecursionDesired: 0x0100,
  isRecursionAvailable: 0x0080,
  isCheckingDisabled: 0x0010,
  code: 0x000f,
} as const;

export interface DnsQuestion {
  /** Lower case, without the dot of the root; a dot within a label is written `\.`, so that it is never one between labels. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Where it ends in the message; it begins after the header. */
  readonly end: number;
}

/** RFC 6891: what the asking side can do. */
export interface Edns {
  /** The largest UDP answer it takes. */
  readonly udpBytes: number;
  readonly version: number;
  /** It asks for DNSSEC records (RFC 3225). */
  readonly isDnssecOk: boolean;
}

export interface DnsQuery {
  readonly bytes: Buffer;
  readonly question: DnsQuestion;
  readonly edns: Edns | undefined;
}

export type ReadQuery =
  | { readonly kind: 'query'; readonly query: DnsQuery }
  /** Wrong, but there is somebody to tell. */
  | { readonly kind: 'invalid'; readonly code: number }
  /** No question at all: too short for a header, or an answer, which must never be answered. */
  | { readonly kind: 'ignored' };

const maxNameBytes = 255;
const formatError: ReadQuery = { kind: 'invalid', code: responseCodes.formatError };

export function readQuery(bytes: Buffer): ReadQuery {
  if (bytes.length < headerBytes) return { kind: 'ignored' };
  const word = bytes.readUInt16BE(2);
  if ((word & flags.isResponse) !== 0) return { kind: 'ignored' };
  if ((word & flags.opcode) !== 0) return { kind: 'invalid', code: responseCodes.notImplemented };
  // RFC 9619: a question comes alone.
  if (bytes.readUInt16BE(4) !== 1) return formatError;
  const question = readQuestion(bytes);
  if (question === undefined) return formatError;
  const records = stepOverRecords(bytes, question.end);
  return records === undefined ? formatError : { kind: 'query', query: { bytes, question, edns: records.edns } };
}

function readQuestion(bytes: Buffer): DnsQuestion | undefined {
  const labels: string[] = [];
  let at = headerBytes;
  for (;;) {
    // Nothing stands before the first name that it could point to: pointers (0xc0) fail as labels that are too long.
    const length = bytes[at] ?? 64;
    const next = at + 1 + length;
    if (length > 63 || next > bytes.length || next - headerBytes > maxNameBytes) return undefined;
    at = next;
    if (length === 0) break;
    labels.push(bytes.toString('latin1', next - length, next).replaceAll('.', '\\.'));
  }
  if (at + 4 > bytes.length) return undefined;
  const name = labels.join('.').toLowerCase();
  return { name, type: bytes.readUInt16BE(at), class: bytes.readUInt16BE(at + 2), end: at + 4 };
}

/** The records after the question must fill the message exactly, with at most one OPT record, among the additional ones. */
function stepOverRecords(bytes: Buffer, start: number): { readonly edns: Edns | undefined } | undefined {
  const others = bytes.readUInt16BE(6) + bytes.readUInt16BE(8);
  const all = others + bytes.readUInt16BE(10);
  let edns: Edns | undefined = undefined;
  let at = start;
  for (let i = 0; i < all; i += 1) {
    const fixed = endOfName(bytes, at);
    if (fixed === undefined || fixed + 10 > bytes.length) return undefined;
    if (bytes.readUInt16BE(fixed) === recordTypes.OPT) {
      if (edns !== undefined || i < others || fixed !== at + 1) return undefined;
      edns = readEdns(bytes, fixed);
    }
    at = fixed + 10 + bytes.readUInt16BE(fixed + 8);
    if (at > bytes.length) return undefined;
  }
  return at === bytes.length ? { edns } : undefined;
}

function readEdns(bytes: Buffer, fixed: number): Edns {
  return {
    udpBytes: bytes.readUInt16BE(fixed + 2),
    version: bytes.readUInt8(fixed + 5),
    isDnssecOk: (bytes.readUInt8(fixed + 6) & 0x80) !== 0,
  };
}

/** A pointer ends a name, and points to what was before it: so no chain of them is a loop (RFC 1035 section 4.1.4). */
function endOfName(bytes: Buffer, start: number): number | undefined {
  let at = start;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || at - start >= maxNameBytes) return undefined;
    if (length === 0) return at + 1;
    if (length >= 0xc0) {
      const target = ((length & 0x3f) << 8) | (bytes[at + 1] ?? 0xff);
      return at + 2 <= bytes.length && target >= headerBytes && target < start ? at + 2 : undefined;
    }
    if (length > 63) return undefined;
    at += 1 + length;
  }
}

/** How an answer of a server relates to the query that was sent to it. */
export type ReadAnswer = 'answer' | 'failure' | 'mismatch';

/**
 * RFC 5452 section 9.1: an answer has the id and the question of its query; another one is nobody's, or somebody's who would
 * like to be believed. `failure`: the server is not able or willing to say, and another one may be.
 */
export function classifyAnswer(answer: Buffer, sent: Buffer, { end }: DnsQuestion): ReadAnswer {
  if (answer.length < headerBytes || answer.readUInt16BE(0) !== sent.readUInt16BE(0)) return 'mismatch';
  const word = answer.readUInt16BE(2);
  if ((word & flags.isResponse) === 0 || (word & flags.opcode) !== 0) return 'mismatch';
  const code = word & flags.code;
  const questions = answer.readUInt16BE(4);
  // Servers that do not understand a query send its header back.
  if (questions === 0 && code !== responseCodes.noError) return 'failure';
  if (questions !== 1 || answer.length < end || !hasSameQuestion(answer, sent, end)) return 'mismatch';
  return code === responseCodes.serverFailure || code === responseCodes.refused ? 'failure' : 'answer';
}

/** Names are compared without regard to case (RFC 4343). */
function hasSameQuestion(answer: Buffer, sent: Buffer, end: number): boolean {
  for (let at = headerBytes; at < end; at += 1) {
    const isInName = at < end - 4;
    if (foldCase(answer[at] ?? 0, isInName) !== foldCase(sent[at] ?? 0, isInName)) return false;
  }
  return true;
}

function foldCase(byte: number, isInName: boolean): number {
  return isInName && byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

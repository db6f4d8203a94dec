/** The form of the corpus: what a client sends, what has to come of it, what the upstream may see. */
import {
  Code,
  Flag,
  type Frame,
  FrameType,
  codeOf,
  data,
  describeFrame,
  headers,
  nameOfCode,
} from '../../support/http2/frames.ts';
import { type Field, block } from '../../support/http2/hpack-writer.ts';
import type { RawPeer } from '../../support/http2/raw-peer.ts';

/** Bytes in one go, or the number of a stream whose response has to be whole, or reset, before the next bytes are sent. */
export type Step = Buffer | { readonly untilOver: number };

export type Outcome =
  /** GOAWAY with one of these codes, then the end of the connection. */
  | { readonly kind: 'connection-error'; readonly codes: readonly number[] }
  /** The connection ends, with or without GOAWAY. */
  | { readonly kind: 'end' }
  /** RST_STREAM with one of these codes. */
  | { readonly kind: 'stream-error'; readonly streamId: number; readonly codes: readonly number[] }
  /** A malformed request (RFC 9113 §8.1.1): a 4xx or 501 response, or RST_STREAM with PROTOCOL_ERROR. */
  | { readonly kind: 'refused'; readonly streamId: number }
  /** These streams get a response with status 200. */
  | { readonly kind: 'served'; readonly streamIds: readonly number[] }
  /** Nothing is said about it. */
  | { readonly kind: 'ignored' };

export interface ServerCase {
  readonly name: string;
  readonly section: string;
  readonly send: readonly Step[];
  /** One of them. Unless it ends the connection, that serves the next request. */
  readonly outcomes: readonly Outcome[];
  /** Start lines that the upstream sees of it, without the version. */
  readonly upstream: readonly string[];
  /** False: the client sends nothing of its own accord before these bytes. */
  readonly isGreeted: boolean;
  /** False: what was sent last shows what was wrong before, so it matters that it comes together. */
  readonly isSplit: boolean;
}

interface CaseOptions {
  readonly upstream?: readonly string[];
  readonly isGreeted?: boolean;
  readonly isSplit?: boolean;
}

/** A sentence of which the part in front of `|` is the section of the RFC. */
export function serverCase(
  title: string,
  send: Buffer | readonly Step[],
  outcomes: Outcome | readonly Outcome[],
  { upstream = [], isGreeted = true, isSplit = true }: CaseOptions = {},
): ServerCase {
  const [section = '', name = ''] = title.split(' | ');
  return {
    name,
    section,
    send: Buffer.isBuffer(send) ? [send] : send,
    outcomes: 'kind' in outcomes ? [outcomes] : outcomes,
    upstream,
    isGreeted,
    isSplit,
  };
}

export function connectionError(...codes: readonly number[]): Outcome {
  return { kind: 'connection-error', codes };
}

export function streamError(streamId: number, ...codes: readonly number[]): Outcome {
  return { kind: 'stream-error', streamId, codes };
}

/** Of a stream, or of the whole connection (§5.4.2: what is an error of a stream may be treated as one of both). */
export function eitherError(streamId: number, ...codes: readonly number[]): Outcome[] {
  return [streamError(streamId, ...codes), connectionError(...codes)];
}

export function refused(streamId = 1): Outcome {
  return { kind: 'refused', streamId };
}

export function served(...streamIds: readonly number[]): Outcome {
  return { kind: 'served', streamIds };
}

export const ignored: Outcome = { kind: 'ignored' };
export const ends: Outcome = { kind: 'end' };

/** What may come of frames on a stream that is closed (§5.1): they are dropped, or somebody is told. */
export function closedStream(streamId: number): Outcome[] {
  return [ignored, ...eitherError(streamId, Code.streamClosed, Code.protocolError)];
}

// ---- requests ----

export function requestFields(method: string, path: string, ...more: readonly Field[]): Field[] {
  return [[':method', method], [':scheme', 'http'], [':path', path], [':authority', 'a'], ...more];
}

/** A request without body. */
export function get(streamId: number, path: string, ...more: readonly Field[]): Buffer {
  return whole(streamId, requestFields('GET', path, ...more));
}

/** The head of a request with a body. */
export function post(streamId: number, path: string, ...more: readonly Field[]): Buffer {
  return headers(streamId, block(requestFields('POST', path, ...more)));
}

/** A request without body, of any fields. */
export function whole(streamId: number, fields: readonly Field[]): Buffer {
  return headers(streamId, block(fields), Flag.endHeaders | Flag.endStream);
}

export function lastData(streamId: number, content = ''): Buffer {
  return data(streamId, content, Flag.endStream);
}

export function concat(...pieces: readonly Buffer[]): Buffer {
  return Buffer.concat(pieces);
}

// ---- what came of it ----

/** Whether the frames that came so far, and the end of the connection, are this outcome. */
export function isOutcome(peer: RawPeer, outcome: Outcome, probeId: number): boolean {
  switch (outcome.kind) {
    case 'end':
      return peer.isOver;
    case 'connection-error':
      return peer.isOver && codesOf(peer, FrameType.goaway).some((code) => outcome.codes.includes(code));
    case 'stream-error': {
      const { resetCode } = peer.message(outcome.streamId);
      return resetCode !== undefined && outcome.codes.includes(resetCode);
    }
    case 'refused': {
      const { isEnded, status, resetCode } = peer.message(outcome.streamId);
      const isAnswered = isEnded && ((status >= 400 && status < 500) || status === 501);
      return isAnswered || (status === 0 && resetCode === Code.protocolError);
    }
    case 'served':
      return outcome.streamIds.every((id) => peer.message(id).status === 200 && peer.message(id).isEnded);
    case 'ignored':
      return !peer.isOver && peer.message(probeId).isEnded && codesOf(peer, FrameType.rstStream).length === 0;
  }
}

export function endsConnection({ kind }: Outcome): boolean {
  return kind === 'connection-error' || kind === 'end';
}

export function describeOutcome(outcome: Outcome): string {
  const codes = 'codes' in outcome ? ` ${outcome.codes.map(nameOfCode).join(' or ')}` : '';
  const stream = 'streamId' in outcome ? ` on stream ${outcome.streamId}` : '';
  return `${outcome.kind}${codes}${stream}`;
}

/** What came, without what comes on every connection. */
export function describeFrames(peer: RawPeer): string {
  const quiet: ReadonlySet<number> = new Set([FrameType.settings, FrameType.windowUpdate]);
  const frames = peer.frames.filter(({ type }) => !quiet.has(type)).map(describeResponse);
  return [...frames.slice(-12), ...(peer.isOver ? [peer.wasReset ? 'RST' : 'FIN'] : [])].join('; ');

  function describeResponse(received: Frame): string {
    const { status } = peer.message(received.streamId);
    return received.type === FrameType.headers
      ? `${describeFrame(received)} status ${status}`
      : describeFrame(received);
  }
}

function codesOf(peer: RawPeer, type: number): number[] {
  return peer.frames.filter((each) => each.type === type).map(codeOf);
}

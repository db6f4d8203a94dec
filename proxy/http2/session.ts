/**
 * One HTTP/2 connection, whichever end of it we are: frames, settings, windows, and the streams that are open. Who asks and
 * who answers is its owner's business. Everything that RFC 9113 calls a connection error ends it with GOAWAY.
 */
import type { DataRun } from '../http/filter.ts';
import type { SocketWriter } from '../http/socket-writer.ts';
import { DataSender } from './data-sender.ts';
import { FrameBudget, frameCosts } from './frame-budget.ts';
import { type FrameHandler, FrameReader } from './frame-reader.ts';
import * as frames from './frames.ts';
import { ErrorCode, Flag, FrameType } from './frames.ts';
import { type Assembled, HeaderAssembler, type HeaderBlock } from './header-assembler.ts';
import { type FieldSink, HpackDecoder } from './hpack/hpack-decoder.ts';
import { HpackEncoder } from './hpack/hpack-encoder.ts';
import { ReceiveWindow } from './receive-window.ts';
import { RecentIds } from './recent-ids.ts';
import { RemoteSettings, SettingId } from './remote-settings.ts';
import type { SessionOptions, SessionOwner, SessionStream } from './session-owner.ts';
import { StreamFlow, type TrailerFields } from './stream-flow.ts';

const noSink: FieldSink = { onField: () => {} };
/** Envoy's `overload.premature_reset_min_stream_lifetime_seconds`. */
const patienceMs = 1_000;
/** Answers that a peer may leave unread, beyond what its socket takes. */
const maxUnreadReplies = 1_000;

export class Session<S extends SessionStream> implements FrameHandler {
  readonly remote: RemoteSettings;
  readonly #encoder = new HpackEncoder();
  readonly streams = new Map<number, S>();
  isOver = false;
  readonly #decoder = new HpackDecoder();
  readonly #owner: SessionOwner<S>;
  readonly #options: SessionOptions;
  readonly #writer: SocketWriter;
  readonly #reader = new FrameReader(this);
  readonly #budget = new FrameBudget();
  readonly #sender: DataSender<S>;
  #hasRemoteSettings = false;
  readonly #window: ReceiveWindow;
  readonly #assembler: HeaderAssembler;
  /** Of the DATA frame at hand; undefined: it is dropped. */
  #dataStream: S | undefined = undefined;
  readonly #data: DataRun = { bytes: Buffer.alloc(0), start: 0, end: 0 };
  /** Streams that this read had something for. */
  readonly #touched: S[] = [];
  /** Streams that we have reset: what the peer sent before it knew is no fault. */
  readonly #ownResets = new RecentIds();
  readonly #closedIds = new RecentIds();
  #unreadReplies = 0;
  #wholeFrames = 0;

  constructor(owner: SessionOwner<S>, writer: SocketWriter, options: SessionOptions) {
    this.#owner = owner;
    this.#writer = writer;
    this.#options = options;
    this.remote = new RemoteSettings(options.isServer);
    this.#window = new ReceiveWindow(writer, options.http2);
    this.#assembler = new HeaderAssembler(options.maxHeaderBlockBytes);
    this.#sender = new DataSender<S>({
      writer,
      encoder: this.#encoder,
      budget: this.#budget,
      onEnded: (stream) => this.#onLocalEnded(stream),
    });
  }

  /** Our side of the connection preface, behind the client's magic text where we are the client. */
  start(): void {
    const { isServer, http2 } = this.#options;
    const { maxConcurrentStreams, initialStreamWindowBytes, initialConnectionWindowBytes } = http2;
    const ownSetting = isServer
      ? ([SettingId.maxConcurrentStreams, maxConcurrentStreams] as const)
      : ([SettingId.enablePush, 0] as const);
    const more = initialConnectionWindowBytes - frames.defaultWindowBytes;
    this.#writer.writeText(
      (isServer ? '' : frames.clientPreface) +
        frames.settingsFrame([ownSetting, [SettingId.initialWindowSize, initialStreamWindowBytes]]) +
        (more > 0 ? frames.windowUpdateFrame(0, more) : ''),
    );
  }

  // ---- reading ----

  /** Consumes `bytes[start..length)`. */
  read(bytes: Buffer, start: number, length: number): void {
    this.#reader.read(bytes, start, length);
    const touched = this.#touched;
    for (const stream of touched) stream.onReadEnd();
    touched.length = 0;
  }

  /** Something has begun that is of no use before the peer has ended it. */
  get isIncomplete(): boolean {
    return !this.#hasRemoteSettings || this.#assembler.openStreamId !== 0 || this.#reader.isCollecting;
  }

  /** So many frames, and whole header blocks, have come: what is incomplete now began with the last of them. */
  get wholeFrames(): number {
    return this.#wholeFrames;
  }

  /** False: the block is beyond repair, and the connection over. */
  decode({ bytes, start, end }: HeaderBlock, sink: FieldSink): boolean {
    const isDecoded = this.#decoder.decode(bytes, start, end, sink);
    if (!isDecoded) this.fail(ErrorCode.compressionError, 'a header block cannot be decoded');
    return isDecoded;
  }

  onFrameHead(): void {
    const { type, flags, streamId, length } = this.#reader;
    if (!this.#hasRemoteSettings && (type !== FrameType.settings || (flags & Flag.ack) !== 0)) {
      this.fail(ErrorCode.protocolError, 'the first frame must be SETTINGS');
    } else if (length > frames.maxFrameBytes) {
      this.fail(ErrorCode.frameSizeError, `a frame of ${length} bytes is larger than allowed`);
    } else if (
      this.#assembler.openStreamId !== 0 &&
      (type !== FrameType.continuation || streamId !== this.#assembler.openStreamId)
    ) {
      this.fail(ErrorCode.protocolError, 'a header block must go on in CONTINUATION');
    } else if (type === FrameType.data) {
      this.#onDataHead(streamId, length);
    } else if (frames.isMisplaced(type, streamId)) {
      this.fail(ErrorCode.protocolError, `a frame of type ${type} on stream ${streamId}`);
    }
  }

  onBadPadding(): void {
    this.fail(ErrorCode.protocolError, 'padding is longer than its frame');
  }

  #onDataHead(streamId: number, length: number): void {
    this.#dataStream = undefined;
    if (streamId === 0) return this.fail(ErrorCode.protocolError, 'DATA on stream 0');
    if (length === 0 && (this.#reader.flags & Flag.padded) !== 0) {
      return this.fail(ErrorCode.frameSizeError, 'padded DATA without a length of its padding');
    }
    if (!this.#window.take(length)) return this.fail(ErrorCode.flowControlError, 'more data than the connection takes');
    const stream = this.streams.get(streamId);
    if (stream === undefined) return this.#onClosedStream(streamId);
    const isWithinWindow = this.#window.takeOfStream(stream.flow, length);
    if (stream.flow.isRemoteEnded) this.reset(stream, ErrorCode.streamClosed);
    else if (!isWithinWindow) this.reset(stream, ErrorCode.flowControlError);
    else this.#dataStream = stream;
  }

  /** DATA, RST_STREAM or WINDOW_UPDATE for a stream that is not open. */
  #onClosedStream(streamId: number): void {
    if (this.#owner.isIdle(streamId)) {
      this.fail(ErrorCode.protocolError, `a frame on stream ${streamId}, which is not open yet`);
    } else if (!this.#ownResets.has(streamId)) {
      this.#writer.writeText(frames.resetFrame(streamId, ErrorCode.streamClosed));
      this.#ownResets.add(streamId);
      this.#spend(frameCosts.reset);
    } else {
      this.#spend(frameCosts.idle);
    }
  }

  onDataRun(bytes: Buffer, start: number, end: number, isLast: boolean): void {
    const stream = this.#dataStream;
    if (stream === undefined || stream.flow.isClosed) return;
    const { flow } = stream;
    const endStream = isLast && (this.#reader.flags & Flag.endStream) !== 0;
    if (start === end && !endStream) return this.#spend(frameCosts.idle);
    if (endStream) flow.isRemoteEnded = true;
    this.touch(stream);
    const data = this.#data;
    data.bytes = bytes;
    data.start = start;
    data.end = end;
    stream.onData(data, endStream, this.#reader.dataBytesLeft);
    if (flow.isClosed) return;
    if (endStream) this.#closeWhenDone(stream);
    else this.#window.returnTo(flow);
  }

  onPayload(bytes: Buffer, start: number, end: number): void {
    const { type, flags, streamId } = this.#reader;
    if (this.#assembler.openStreamId === 0) this.#wholeFrames += 1;
    switch (type) {
      case FrameType.headers:
        return this.#onAssembled(this.#assembler.begin(this.#reader, bytes, start, end));
      case FrameType.continuation:
        return this.#onContinuation(bytes, start, end);
      case FrameType.settings:
        return (flags & Flag.ack) === 0 ? this.#onSettings(bytes, start, end) : this.#onSettingsAck();
      case FrameType.windowUpdate:
        return this.#onWindowUpdate(streamId, bytes, start, end);
      case FrameType.rstStream:
        return this.#onReset(streamId, bytes, start, end);
      case FrameType.ping:
        return this.#onPing(bytes, start, end);
      case FrameType.goaway:
        if (end - start < 8) return this.#failSize();
        return this.#owner.onGoAway(bytes.readUInt32BE(start) & 0x7fff_ffff, bytes.readUInt32BE(start + 4));
      case FrameType.pushPromise:
        return this.fail(ErrorCode.protocolError, 'nobody asked for a pushed response');
      case FrameType.priority:
        return end - start === 5 ? this.#spend(frameCosts.idle) : this.#failSize();
      default:
        return this.#spend(frameCosts.idle);
    }
  }

  #failSize(): void {
    const { type, length } = this.#reader;
    this.fail(ErrorCode.frameSizeError, `a frame of type ${type} has ${length} bytes, which it cannot have`);
  }

  // ---- header blocks ----

  #onContinuation(bytes: Buffer, start: number, end: number): void {
    if (this.#assembler.openStreamId === 0) return this.fail(ErrorCode.protocolError, 'CONTINUATION of nothing');
    this.#spend(frameCosts.idle);
    if (!this.isOver) this.#onAssembled(this.#assembler.goOn(this.#reader, bytes, start, end));
  }

  #onAssembled(assembled: Assembled): void {
    switch (assembled) {
      case 'none':
        return;
      case 'too_short':
        return this.#failSize();
      case 'bad_padding':
        return this.onBadPadding();
      case 'too_large':
        return this.fail(ErrorCode.enhanceYourCalm, 'a header block is too large');
      default:
        return this.#onBlock(assembled);
    }
  }

  #onBlock(block: HeaderBlock): void {
    const stream = this.streams.get(block.streamId);
    if (stream !== undefined) this.touch(stream);
    const wasEnded = stream?.flow.isRemoteEnded === true;
    if (block.endStream && stream !== undefined) stream.flow.isRemoteEnded = true;
    this.#owner.onHeaderBlock(wasEnded ? undefined : stream, block);
    if (this.isOver || stream === undefined || stream.flow.isClosed) return;
    if (wasEnded) this.reset(stream, ErrorCode.streamClosed);
    else if (block.endStream) this.#closeWhenDone(stream);
  }

  /** Decodes, for nobody, the header block of a stream that is not open any more, or never was. */
  dropBlock(block: HeaderBlock): void {
    const { streamId } = block;
    if (!this.decode(block, noSink) || this.streams.has(streamId)) return;
    if (this.#ownResets.has(streamId)) this.#spend(frameCosts.idle);
    else if (this.#closedIds.has(streamId))
      this.fail(ErrorCode.streamClosed, `HEADERS on stream ${streamId}, which is closed`);
    else this.fail(ErrorCode.protocolError, `stream ${streamId} cannot be opened`);
  }

  // ---- everything else ----

  #onSettings(bytes: Buffer, start: number, end: number): void {
    if ((end - start) % 6 !== 0) return this.#failSize();
    const { remote } = this;
    const before = remote.initialWindowBytes;
    const code = remote.apply(bytes, start, end);
    if (code !== ErrorCode.noError) return this.fail(code, 'SETTINGS has a value that is not allowed');
    this.#hasRemoteSettings = true;
    this.#encoder.setPeerTableSize(remote.headerTableBytes);
    const more = remote.initialWindowBytes - before;
    for (const stream of this.streams.values()) {
      if (more !== 0 && !this.#sender.widenStream(stream, more)) {
        return this.fail(ErrorCode.flowControlError, 'SETTINGS makes a window larger than windows may be');
      }
    }
    this.#reply(frames.settingsAck);
    this.#owner.onRemoteSettings();
  }

  #onSettingsAck(): void {
    if (this.#reader.length !== 0) this.#failSize();
  }

  #onWindowUpdate(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) return this.#failSize();
    const more = bytes.readUInt32BE(start) & 0x7fff_ffff;
    this.#spend(frameCosts.idle);
    if (streamId === 0) {
      if (more === 0) this.fail(ErrorCode.protocolError, 'WINDOW_UPDATE by nothing');
      else if (!this.#sender.widen(more))
        this.fail(ErrorCode.flowControlError, 'the window of the connection is too large');
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      // Of a stream that has just ended it may be on its way (RFC 9113 §5.1).
      if (this.#owner.isIdle(streamId)) this.#onClosedStream(streamId);
    } else if (more === 0) {
      this.reset(stream, ErrorCode.protocolError);
    } else if (!this.#sender.widenStream(stream, more)) {
      this.reset(stream, ErrorCode.flowControlError);
    }
  }

  #onReset(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) return this.#failSize();
    if (this.#owner.isIdle(streamId)) return this.#onClosedStream(streamId);
    const stream = this.streams.get(streamId);
    this.#spend(stream !== undefined && this.#isHasty(stream) ? frameCosts.reset : frameCosts.idle);
    if (stream === undefined || this.isOver) return;
    this.#close(stream);
    stream.onReset(bytes.readUInt32BE(start), true);
  }

  /** Whoever takes back what it has just asked for. A client whose time is over has waited longer, as Envoy has it. */
  #isHasty({ flow }: S): boolean {
    const { isServer, recentMs } = this.#options;
    return isServer && recentMs() - flow.openedMs < patienceMs;
  }

  #onPing(bytes: Buffer, start: number, end: number): void {
    if (end - start !== 8) return this.#failSize();
    if ((this.#reader.flags & Flag.ack) !== 0) return this.#owner.onPingAck();
    this.#reply(frames.pingFrame(bytes.toString('latin1', start, end), true));
  }

  /** A peer that asks and does not read the answers is not answered for ever (CVE-2019-9512, CVE-2019-9515). */
  #reply(text: string): void {
    this.#spend(frameCosts.idle);
    if (!this.#writer.isCongested) this.#unreadReplies = 0;
    else if (++this.#unreadReplies > maxUnreadReplies) this.fail(ErrorCode.enhanceYourCalm, 'answers are not read');
    if (!this.isOver) this.#writer.writeText(text);
  }

  #spend(cost: number): void {
    if (this.#budget.spend(cost, this.#options.recentMs())) return;
    this.fail(ErrorCode.enhanceYourCalm, 'too many frames that achieve nothing');
  }

  // ---- streams ----

  /** The windows of a new stream. */
  newFlow(streamId: number): StreamFlow {
    const { http2, recentMs } = this.#options;
    return new StreamFlow(streamId, recentMs(), this.remote.initialWindowBytes, http2.initialStreamWindowBytes);
  }

  open(stream: S): void {
    this.streams.set(stream.flow.id, stream);
  }

  /** This read has something for the stream. */
  touch(stream: S): void {
    if (this.#touched.at(-1) !== stream) this.#touched.push(stream);
  }

  /** `encode` is asked only if its block goes out: what changes the encoder's table must reach the peer's. */
  sendHeaders<H>({ flow }: S, encode: (encoder: HpackEncoder, head: H) => string, head: H, endStream: boolean): void {
    if (flow.isClosed) return;
    this.#writer.writeText(frames.headerFrames(flow.id, encode(this.#encoder, head), endStream));
    if (!endStream) return;
    flow.isLocalEnded = true;
    const stream = this.streams.get(flow.id);
    if (stream !== undefined) this.#onLocalEnded(stream);
  }

  sendData(stream: S, data: DataRun, endStream: boolean, trailers?: TrailerFields): void {
    this.#sender.send(stream, data, endStream, trailers);
  }

  /** Bytes that the peer has asked for and does not take. */
  get waitingBytes(): number {
    return this.#sender.waitingBytes;
  }

  /** What the socket could not take is gone: everybody may go on. */
  onDrain(): void {
    for (const stream of this.streams.values()) if (stream.flow.waitingBytes === 0) stream.onWritable();
  }

  pause(flow: StreamFlow): void {
    flow.isPaused = true;
  }

  resume(flow: StreamFlow): void {
    flow.isPaused = false;
    this.#window.returnTo(flow);
  }

  #onLocalEnded(stream: S): void {
    const { flow } = stream;
    if (flow.isClosed) return;
    this.#budget.earn();
    if (flow.isRemoteEnded) this.#close(stream);
    // A whole answer to half a request: the rest of it is not wanted (RFC 9113 §8.1).
    else if (this.#options.isServer) this.reset(stream, ErrorCode.noError);
  }

  #closeWhenDone(stream: S): void {
    if (stream.flow.isLocalEnded && stream.flow.waitingBytes === 0) this.#close(stream);
  }

  #close(stream: S): void {
    stream.flow.isClosed = true;
    this.#sender.forget(stream);
    this.#closedIds.add(stream.flow.id);
    this.streams.delete(stream.flow.id);
    this.#owner.onStreamClosed(stream);
  }

  /** Ends a stream before its time. The stream hears of it, unless it is closed already. */
  reset(stream: S, code: number): void {
    const { flow } = stream;
    if (flow.isClosed) return;
    this.#writer.writeText(frames.resetFrame(flow.id, code));
    this.#ownResets.add(flow.id);
    this.#close(stream);
    if (code === ErrorCode.noError) return;
    // A client that makes the server reset its requests has the server work as much as one that resets them (CVE-2025-8671).
    if (this.#options.isServer && code !== ErrorCode.internalError) this.#spend(frameCosts.reset);
    stream.onReset(code, false);
  }

  /** A stream that the peer has said it will not look at. */
  forget(stream: S): void {
    this.#close(stream);
  }

  /** Forgets all streams, without a word to the peer. */
  closeAll(): void {
    for (const stream of this.streams.values()) {
      stream.flow.isClosed = true;
      this.#sender.forget(stream);
    }
    this.streams.clear();
  }

  /** Refuses a stream that was not opened. */
  refuse(streamId: number, code: number): void {
    this.#ownResets.add(streamId);
    this.#writer.writeText(frames.resetFrame(streamId, code));
  }

  // ---- the end ----

  ping(): void {
    this.#writer.writeText(frames.pingFrame('\0\0\0\0\0\0\0\0', false));
  }

  /** No streams of the peer beyond `lastStreamId` are served any more. */
  goAway(lastStreamId: number): void {
    this.#writer.writeText(frames.goAwayFrame(lastStreamId, ErrorCode.noError, ''));
  }

  /** A connection error: says so, and no more. */
  fail(code: number, reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#writer.writeText(frames.goAwayFrame(this.#owner.lastStreamId, code, reason));
    this.#owner.onFailure(code, reason);
  }
}

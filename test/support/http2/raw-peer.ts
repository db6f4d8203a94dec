/**
 * One side of an HTTP/2 connection that sends exactly the bytes it is told to, when it is told to, and reads what comes: a
 * client, or what a raw server has accepted.
 */
import net from 'node:net';
import { findReset } from '../../../proxy/common/socket.ts';
import { turn, turns, until } from '../turns.ts';
import { Audit, type Role } from './audit.ts';
import {
  Flag,
  type Frame,
  FrameType,
  Setting,
  codeOf,
  contentOf,
  data,
  describeFrame,
  hasFlag,
  headers,
  ping,
  preface,
  readFrames,
  settings,
  settingsAck,
  settingsOf,
} from './frames.ts';
import { HpackReader } from './hpack-reader.ts';
import { type Field, block } from './hpack-writer.ts';
import { ReceivedMessage } from './received-message.ts';
import { SendWindows } from './send-windows.ts';

export class RawPeer {
  readonly socket: net.Socket;
  readonly role: Role;
  /** All that came. */
  readonly frames: Frame[] = [];
  /** By stream. */
  readonly messages = new Map<number, ReceivedMessage>();
  /** What the other side has announced so far. */
  readonly settings = new Map<number, number>();
  readonly windows = new SendWindows();
  readonly #audit: Audit;
  readonly #taken = new Set<Frame>();
  readonly #hpack = new HpackReader();
  readonly #faults: string[] = [];
  readonly #block: Buffer[] = [];
  #partial: Buffer = Buffer.alloc(0);
  #isPrefaceRead: boolean;
  /** Answers SETTINGS and PING as every peer has to. */
  isPolite = true;
  /** Called with each frame, once its content was read. */
  onFrame: (received: Frame) => void = () => {};
  receivedBytes = 0;
  /** The other side sent FIN. */
  isEnded = false;
  isClosed = false;
  /** The code of the socket's error: ECONNRESET after an abort. */
  errorCode: string | undefined = undefined;

  constructor(socket: net.Socket, role: Role) {
    this.socket = socket;
    this.role = role;
    this.#audit = new Audit(role);
    this.#isPrefaceRead = role === 'client';
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => this.#onBytes(bytes));
    socket.on('end', () => this.#onEnd());
    socket.on('close', () => (this.isClosed = true));
    socket.on('error', (error: NodeJS.ErrnoException) => (this.errorCode = error.code));
  }

  /** A client that has said nothing yet. */
  static async connect(port: number): Promise<RawPeer> {
    const peer = new RawPeer(net.connect({ host: '127.0.0.1', port, allowHalfOpen: true }), 'client');
    await until(
      () => peer.socket.readyState === 'open' || peer.isClosed,
      () => `a connection to ${port}`,
    );
    return peer;
  }

  /** A client that has exchanged SETTINGS with its server. */
  static async open(port: number, ...entries: readonly (readonly [number, number])[]): Promise<RawPeer> {
    const peer = await RawPeer.connect(port);
    peer.greet(...entries);
    await peer.untilGreeted();
    return peer;
  }

  // ---- what it sends ----

  /** Each a whole number of frames, behind the preface or not, where the audit is to know of them. */
  send(...pieces: readonly Buffer[]): void {
    for (const piece of pieces) {
      this.#note(piece);
      this.socket.write(piece);
    }
  }

  /** Bytes of which the audit hears nothing. */
  sendRaw(bytes: Buffer | string): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Every byte is read by the other side before the next is sent, as far as it still reads. */
  async sendByteByByte(bytes: Buffer): Promise<void> {
    this.#note(bytes);
    for (let at = 0; at < bytes.length && this.socket.writable && !this.isOver; at++) {
      this.socket.write(bytes.subarray(at, at + 1));
      await turn();
    }
  }

  #note(bytes: Buffer): void {
    const isFirst = this.role === 'client' && bytes.subarray(0, preface.length).equals(preface);
    const { frames, rest } = readFrames(isFirst ? bytes.subarray(preface.length) : bytes);
    if (rest.length > 0) return;
    for (const each of frames) {
      this.#audit.onSent(each);
      this.windows.onSent(each);
    }
  }

  /** Preface, if it is a client, and SETTINGS. */
  greet(...entries: readonly (readonly [number, number])[]): void {
    if (this.role === 'client') this.sendRaw(preface);
    this.send(settings(...entries));
  }

  /** A whole message without body, or the head of one with more to come. */
  sendHead(streamId: number, fields: readonly Field[], isWhole = true): void {
    this.send(headers(streamId, block(fields), Flag.endHeaders | (isWhole ? Flag.endStream : 0)));
  }

  sendData(streamId: number, content: Buffer | string, isLast = true): void {
    this.send(data(streamId, content, isLast ? Flag.endStream : 0));
  }

  /** As fast as the windows of the other side allow, in frames of at most `frameBytes`. */
  async sendBody(streamId: number, content: Buffer, frameBytes = 16_384): Promise<void> {
    for (let at = 0; at < content.length;) {
      const isStopped = (): boolean => this.message(streamId).resetCode !== undefined;
      await this.until(() => this.windows.available(streamId) > 0 || isStopped(), `a window at ${at}`);
      if (this.isOver || isStopped()) return;
      const end = Math.min(content.length, at + frameBytes, at + this.windows.available(streamId));
      this.sendData(streamId, content.subarray(at, end), end === content.length);
      at = end;
    }
  }

  /** FIN. */
  end(): void {
    this.socket.end();
  }

  /** RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  destroy(): void {
    this.socket.destroy();
  }

  // ---- what it has received ----

  /** No more bytes will come. */
  get isOver(): boolean {
    return this.isEnded || this.isClosed;
  }

  /** The connection ended with an error instead of an end. */
  get wasReset(): boolean {
    return this.errorCode !== undefined;
  }

  /** What the other side sent against RFC 9113 and 7541. */
  get breaches(): readonly string[] {
    return [...this.#audit.breaches, ...this.#faults];
  }

  /** Streams that neither side has ended. */
  get openStreams(): number {
    return this.#audit.openStreams;
  }

  message(streamId: number): ReceivedMessage {
    let message = this.messages.get(streamId);
    if (message === undefined) {
      message = new ReceivedMessage();
      this.messages.set(streamId, message);
    }
    return message;
  }

  /** The first frame that matches and was not returned before, as soon as it is there. */
  async next(matches: (received: Frame) => boolean, what = matches.toString()): Promise<Frame> {
    const find = (): Frame | undefined => this.frames.find((each) => !this.#taken.has(each) && matches(each));
    await this.until(() => find() !== undefined, what);
    const found = find();
    if (found === undefined) throw new Error(`the connection ended before ${what}: ${this.describe()}`);
    this.#taken.add(found);
    return found;
  }

  /** The code of the next GOAWAY, RST_STREAM, … of this kind. */
  async nextCode(type: number, streamId = 0): Promise<number> {
    return codeOf(await this.next((each) => each.type === type && each.streamId === streamId, `type ${type}`));
  }

  /** Until `condition` holds or nothing more can come. */
  async until(condition: () => boolean, what = condition.toString(), timeoutMs?: number): Promise<void> {
    await until(
      () => condition() || this.isOver,
      () => `${what}, got ${this.describe()}`,
      timeoutMs,
    );
  }

  /** The message on a stream when it is whole, reset, or the connection over. */
  async whole(streamId: number, timeoutMs?: number): Promise<ReceivedMessage> {
    await this.until(() => this.message(streamId).isOver, `the end of stream ${streamId}`, timeoutMs);
    return this.message(streamId);
  }

  /** As soon as the other side has sent its SETTINGS and acknowledged the ones of this side. */
  async untilGreeted(): Promise<void> {
    await this.next((each) => each.type === FrameType.settings && !hasFlag(each, Flag.ack), 'SETTINGS');
    await this.next((each) => each.type === FrameType.settings && hasFlag(each, Flag.ack), 'the SETTINGS ack');
  }

  untilOver(timeoutMs?: number): Promise<void> {
    return this.until(() => false, 'the end of the connection', timeoutMs);
  }

  /** Whatever this peer sent before was processed by the other side when this resolves: PING comes back in order. */
  async roundTrip(label = 'roundtrp'): Promise<void> {
    const payload = Buffer.from(label.padEnd(8).slice(0, 8), 'latin1');
    this.send(ping(payload));
    await this.next(
      (each) => each.type === FrameType.ping && hasFlag(each, Flag.ack) && each.payload.equals(payload),
      'the PING ack',
    );
    await turns(1);
  }

  describe(): string {
    const last = this.frames.slice(-20).map(describeFrame).join('; ');
    const end = this.isOver ? ` and the end${this.wasReset ? ` (${this.errorCode ?? ''})` : ''}` : '';
    return `${this.frames.length} frames: ${last}${end}${this.breaches.map((breach) => `; BREACH ${breach}`).join('')}`;
  }

  /** libuv gives out a RST right behind bytes for FIN. */
  #onEnd(): void {
    const reset = findReset(this.socket);
    if (reset === undefined) this.isEnded = true;
    else this.socket.destroy(reset);
  }

  #onBytes(bytes: Buffer): void {
    this.receivedBytes += bytes.length;
    this.#partial = this.#partial.length === 0 ? bytes : Buffer.concat([this.#partial, bytes]);
    if (!this.#isPrefaceRead && !this.#readPreface()) return;
    const { frames, rest } = readFrames(this.#partial);
    this.#partial = rest;
    for (const each of frames) this.#onFrame(each);
  }

  #readPreface(): boolean {
    const { length } = preface;
    if (this.#partial.length < length) return false;
    if (!this.#partial.subarray(0, length).equals(preface)) this.#faults.push('no preface');
    this.#partial = this.#partial.subarray(length);
    this.#isPrefaceRead = true;
    return true;
  }

  #onFrame(received: Frame): void {
    this.frames.push(received);
    this.#audit.onReceived(received);
    this.windows.onReceived(received);
    const { type } = received;
    if (type === FrameType.settings) this.#onSettings(received);
    if (type === FrameType.headers || type === FrameType.continuation) this.#onFields(received);
    if (type === FrameType.data) this.message(received.streamId).addData(contentOf(received));
    if (type === FrameType.rstStream) this.message(received.streamId).resetCode = codeOf(received);
    const mayEnd = type === FrameType.data || type === FrameType.headers;
    if (mayEnd && hasFlag(received, Flag.endStream)) this.message(received.streamId).isEnded = true;
    if (this.isPolite && type === FrameType.ping && !hasFlag(received, Flag.ack)) {
      this.send(ping(received.payload, Flag.ack));
    }
    this.onFrame(received);
  }

  #onSettings(received: Frame): void {
    if (hasFlag(received, Flag.ack)) {
      this.#hpack.limitTable(this.#audit.announced.limit(Setting.headerTableSize));
      return;
    }
    for (const [id, value] of settingsOf(received)) this.settings.set(id, value);
    if (this.isPolite && this.socket.writable) this.send(settingsAck);
  }

  #onFields(received: Frame): void {
    const { type, streamId } = received;
    this.#block.push(type === FrameType.headers ? contentOf(received) : received.payload);
    if (!hasFlag(received, Flag.endHeaders)) return;
    const bytes = Buffer.concat(this.#block.splice(0));
    try {
      const breaches = this.message(streamId).addFields(this.#hpack.read(bytes), this.role);
      this.#faults.push(...breaches.map((breach) => `stream ${streamId}: ${breach}`));
    } catch (error) {
      this.#faults.push(`the header block of stream ${streamId}: ${String(error)}`);
    }
  }
}

/**
 * Watches what the proxy sends to a raw peer and writes down every breach of RFC 9113 in it: windows, sizes of frames, states
 * of streams, what may follow what. It knows nothing of the codec and trusts nothing.
 */
import { AnnouncedSettings } from './announced-settings.ts';
import {
  type Frame,
  FrameType,
  Flag,
  Setting,
  codeOf,
  describeFrame,
  hasFlag,
  maxWindow,
  settingsOf,
} from './frames.ts';

export type Role = 'client' | 'server';

interface StreamState {
  /** How many bytes of DATA the proxy may still send, apart from what the initial window adds to that. */
  credit: number;
  isProxyDone: boolean;
  isProxyReset: boolean;
  /** This peer has ended or reset it. */
  isPeerDone: boolean;
  isPeerReset: boolean;
  hasHead: boolean;
}

const fixedLengths: Readonly<Record<number, number>> = {
  [FrameType.priority]: 5,
  [FrameType.rstStream]: 4,
  [FrameType.ping]: 8,
  [FrameType.windowUpdate]: 4,
};
const connectionFrames: ReadonlySet<number> = new Set([FrameType.settings, FrameType.ping, FrameType.goaway]);

export class Audit {
  readonly announced = new AnnouncedSettings();
  readonly breaches: string[] = [];
  readonly #role: Role;
  readonly #streams = new Map<number, StreamState>();
  #connectionCredit = 65_535;
  #isFirst = true;
  #lastStreamId = 0;
  /** In the middle of whose header block the proxy is; 0: of none. */
  #blockStreamId = 0;

  /** `role`: that of the peer. */
  constructor(role: Role) {
    this.#role = role;
  }

  /** Streams of which neither side has said its last word. */
  get openStreams(): number {
    let count = 0;
    for (const { isProxyDone, isProxyReset, isPeerDone, isPeerReset } of this.#streams.values()) {
      if (!isProxyReset && !isPeerReset && !(isProxyDone && isPeerDone)) count += 1;
    }
    return count;
  }

  onSent(sent: Frame): void {
    const { type, payload } = sent;
    const streamId = sent.streamId & maxWindow;
    if (type === FrameType.settings && !hasFlag(sent, Flag.ack)) this.announced.announce(settingsOf(sent));
    if (type === FrameType.windowUpdate && payload.length === 4) this.#grant(streamId, codeOf(sent) & maxWindow);
    if (type === FrameType.headers && this.#role === 'client') this.#state(streamId);
    const endsStream = type === FrameType.headers || type === FrameType.data;
    if (endsStream && hasFlag(sent, Flag.endStream)) this.#state(streamId).isPeerDone = true;
    if (type === FrameType.rstStream) this.#state(streamId).isPeerReset = true;
  }

  onReceived(received: Frame): void {
    const { type, streamId, payload } = received;
    const isSettings = type === FrameType.settings && !hasFlag(received, Flag.ack);
    this.#expect(!this.#isFirst || isSettings, received, 'comes before SETTINGS');
    this.#isFirst = false;
    this.#expect(payload.length <= this.announced.limit(Setting.maxFrameSize), received, 'is too large');
    const length = fixedLengths[type];
    this.#expect(length === undefined || payload.length === length, received, 'has a wrong length');
    this.#checkStreamId(received);
    this.#checkBlock(received);
    if (type === FrameType.settings && hasFlag(received, Flag.ack)) {
      this.#expect(this.announced.acknowledge(), received, 'acknowledges nothing');
    }
    if (type === FrameType.windowUpdate) this.#expect(codeOf(received) !== 0, received, 'adds nothing');
    if (type === FrameType.headers) this.#onHeaders(received);
    if (type === FrameType.data) this.#onData(received);
    if (type === FrameType.rstStream) this.#state(streamId).isProxyReset = true;
  }

  #checkStreamId(received: Frame): void {
    const { type, streamId } = received;
    this.#expect(type !== FrameType.pushPromise, received, 'is a push');
    this.#expect(streamId <= maxWindow, received, 'has the reserved bit');
    if (type === FrameType.windowUpdate || type > FrameType.continuation) return;
    this.#expect(connectionFrames.has(type) === (streamId === 0), received, 'is on the wrong kind of stream');
  }

  #checkBlock(received: Frame): void {
    const { type, streamId } = received;
    if (this.#blockStreamId !== 0) {
      const continues = type === FrameType.continuation && streamId === this.#blockStreamId;
      this.#expect(continues, received, 'is in the middle of a header block');
    } else {
      this.#expect(type !== FrameType.continuation, received, 'continues nothing');
    }
    const isPart = type === FrameType.headers || type === FrameType.continuation;
    if (isPart) this.#blockStreamId = hasFlag(received, Flag.endHeaders) ? 0 : streamId;
  }

  #onHeaders(received: Frame): void {
    const { streamId } = received;
    const isKnown = this.#streams.has(streamId);
    if (this.#role === 'client') this.#expect(isKnown, received, 'answers no request');
    else if (!isKnown) this.#onOpened(received);
    const state = this.#state(streamId);
    this.#expectOpen(state, received);
    state.hasHead = true;
    state.isProxyDone ||= hasFlag(received, Flag.endStream);
  }

  #onOpened(received: Frame): void {
    const { streamId } = received;
    this.#expect(streamId % 2 === 1, received, 'opens an even stream');
    this.#expect(streamId > this.#lastStreamId, received, `opens a stream below ${this.#lastStreamId}`);
    const limit = this.announced.limit(Setting.maxConcurrentStreams);
    this.#expect(this.openStreams < limit, received, `opens one more than ${limit} streams`);
    this.#lastStreamId = streamId;
  }

  #onData(received: Frame): void {
    const { streamId, payload } = received;
    const state = this.#state(streamId);
    this.#expect(state.hasHead, received, 'comes before HEADERS');
    this.#expectOpen(state, received);
    state.credit -= payload.length;
    this.#connectionCredit -= payload.length;
    // Nothing is too much for an empty frame: one may end a stream without a window (§6.9).
    const isEmpty = payload.length === 0;
    const window = this.announced.limit(Setting.initialWindowSize) + state.credit;
    this.#expect(isEmpty || window >= 0, received, `exceeds the window of its stream by ${-window}`);
    const connectionWindow = this.#connectionCredit;
    this.#expect(isEmpty || connectionWindow >= 0, received, `exceeds that of the connection by ${-connectionWindow}`);
    state.isProxyDone ||= hasFlag(received, Flag.endStream);
  }

  #expectOpen({ isProxyDone, isProxyReset }: StreamState, received: Frame): void {
    this.#expect(!isProxyDone, received, 'comes behind END_STREAM');
    this.#expect(!isProxyReset, received, 'comes behind RST_STREAM');
  }

  #grant(streamId: number, increment: number): void {
    if (streamId === 0) this.#connectionCredit += increment;
    else this.#state(streamId).credit += increment;
  }

  #state(streamId: number): StreamState {
    let state = this.#streams.get(streamId);
    if (state === undefined) {
      state = {
        credit: 0,
        isProxyDone: false,
        isProxyReset: false,
        isPeerDone: false,
        isPeerReset: false,
        hasHead: false,
      };
      this.#streams.set(streamId, state);
    }
    return state;
  }

  #expect(holds: boolean, received: Frame, breach: string): void {
    if (!holds) this.breaches.push(`${describeFrame(received)} ${breach}`);
  }
}

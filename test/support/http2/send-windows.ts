/** How much DATA a raw peer may still send (RFC 9113 §6.9), and how much the other side has allowed beyond what it was sent. */
import { type Frame, FrameType, Setting, codeOf, hasFlag, Flag, maxWindow, settingsOf } from './frames.ts';

export class SendWindows {
  #initial = 65_535;
  readonly #sent = new Map<number, number>();
  readonly #granted = new Map<number, number>();

  onSent({ type, streamId, payload }: Frame): void {
    if (type !== FrameType.data) return;
    for (const id of [0, streamId]) this.#sent.set(id, this.sent(id) + payload.length);
  }

  onReceived(received: Frame): void {
    const { type, streamId } = received;
    if (type === FrameType.windowUpdate) {
      this.#granted.set(streamId, this.granted(streamId) + (codeOf(received) & maxWindow));
    }
    if (type === FrameType.settings && !hasFlag(received, Flag.ack)) {
      this.#initial = settingsOf(received).get(Setting.initialWindowSize) ?? this.#initial;
    }
  }

  /** Bytes of DATA frames so far; of the connection for stream 0. */
  sent(streamId: number): number {
    return this.#sent.get(streamId) ?? 0;
  }

  /** By WINDOW_UPDATE. */
  granted(streamId: number): number {
    return this.#granted.get(streamId) ?? 0;
  }

  /** What is left of one window; of the connection for stream 0. */
  of(streamId: number): number {
    const initial = streamId === 0 ? 65_535 : this.#initial;
    return initial + this.granted(streamId) - this.sent(streamId);
  }

  /** What may be sent on a stream now. */
  available(streamId: number): number {
    return Math.max(0, Math.min(this.of(streamId), this.of(0)));
  }
}

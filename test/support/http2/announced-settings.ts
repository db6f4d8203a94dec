/**
 * Settings that a peer has announced, as far as the other side may rely on them or has to keep to them: what widens a limit
 * holds once it is sent, what narrows it once it is acknowledged (RFC 9113 §6.5.3).
 */
import { Setting } from './frames.ts';

/** Values of RFC 9113 §6.5.2; without a limit of streams. */
const defaults: ReadonlyMap<number, number> = new Map([
  [Setting.headerTableSize, 4_096],
  [Setting.maxConcurrentStreams, Infinity],
  [Setting.initialWindowSize, 65_535],
  [Setting.maxFrameSize, 16_384],
]);

export class AnnouncedSettings {
  readonly #unacknowledged: Map<number, number>[] = [];
  readonly #acknowledged = new Map(defaults);

  announce(entries: ReadonlyMap<number, number>): void {
    this.#unacknowledged.push(new Map(entries));
  }

  /** False: there was nothing to acknowledge. */
  acknowledge(): boolean {
    const entries = this.#unacknowledged.shift();
    for (const [id, value] of entries ?? []) this.#acknowledged.set(id, value);
    return entries !== undefined;
  }

  /** The most that may be in force at the other side. */
  limit(id: number): number {
    const pending = this.#unacknowledged.flatMap((entries) => entries.get(id) ?? []);
    return Math.max(this.#acknowledged.get(id) ?? 0, ...pending);
  }
}

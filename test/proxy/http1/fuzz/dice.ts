import type { FuzzInput } from './fuzz-run.ts';

/** Choices at random, the same for the same source. */
export class Dice {
  /** Uniform in [0, 1). */
  readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
  }

  /** An integer in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  /** True once in `of` throws. */
  once(of: number): boolean {
    return this.below(of) === 0;
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new Error('nothing to choose from');
    return value;
  }

  cut(text: string): FuzzInput {
    return { text, pieces: this.pieces(text) };
  }

  /** Cuts a message: whole, in two anywhere, in a few pieces, or, when it is short, byte by byte. */
  pieces(text: string): string[] {
    if (text.length < 2 || this.below(10) < 4) return [text];
    if (text.length < 200 && this.once(8)) return text.split('');
    const cuts = Array.from({ length: this.once(3) ? 4 : 1 }, () => 1 + this.below(text.length - 1)).sort(
      (a, b) => a - b,
    );
    return [0, ...cuts].map((start, i) => text.slice(start, cuts[i] ?? text.length)).filter((piece) => piece !== '');
  }
}

/** Choices of a seeded generator. */
export class Draw {
  readonly #random: () => number;

  /** `random`: uniform in [0, 1). */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** 0 to `count - 1`. */
  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  chance(share: number): boolean {
    return this.#random() < share;
  }

  one<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to draw from');
    return item;
  }

  list<T>(from: number, to: number, draw: () => T): T[] {
    return Array.from({ length: from + this.below(to - from + 1) }, draw);
  }

  /** The draw's object, or nothing to spread. */
  maybe<T extends object>(share: number, draw: () => T): T | Record<string, never> {
    return this.chance(share) ? draw() : {};
  }
}

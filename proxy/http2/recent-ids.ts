/** The last ids that were put in, a few of them: what is known of streams that are over must not grow. */
const capacity = 1_024;

export class RecentIds {
  readonly #ids: number[] = [];
  #next = 0;

  add(id: number): void {
    this.#ids[this.#next] = id;
    this.#next = (this.#next + 1) % capacity;
  }

  has(id: number): boolean {
    return this.#ids.includes(id);
  }
}

import type { Field } from './blocks.ts';

const names = [
  'accept',
  'accept-encoding',
  'authorization',
  'cache-control',
  'content-type',
  'cookie',
  'date',
  'traceparent',
  'user-agent',
  'via',
  'x-a',
  'x-b',
  'x-envoy-attempt-count',
  'x-request-id',
  'x-user',
];

/** Header fields as messages of one connection carry them: names and values come again, and some never do. */
export class RandomFields {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Without pseudo-header fields. */
  list(): Field[] {
    return Array.from({ length: this.#below(16) }, () => [this.#name(), this.#value()] as const);
  }

  pseudo(): Field[] {
    return [
      [':method', this.#pick(['GET', 'POST', 'PUT', 'DELETE'])],
      [':scheme', this.#pick(['http', 'https'])],
      [':path', this.#pick(['/', '/index.html', `/${this.#below(5)}`, `/${this.#below(2 ** 31)}`])],
      [':authority', this.#pick(['a.example', 'b.example', `${this.#below(100)}.example:8080`])],
    ];
  }

  #name(): string {
    return this.#random() < 0.9 ? this.#pick(names) : `x-${this.#below(500)}`;
  }

  #value(): string {
    const kind = this.#random();
    if (kind < 0.5) return `value-${this.#below(6)}`;
    if (kind < 0.6) return '';
    if (kind < 0.65) return 'gzip, deflate';
    if (kind < 0.7) return `long ${'v'.repeat(this.#below(1500))} end`;
    return Array.from({ length: this.#below(40) }, () => this.#visible()).join('');
  }

  #visible(): string {
    const code = 33 + this.#below(222);
    return String.fromCharCode(code === 127 ? 33 : code);
  }

  #pick(choices: readonly string[]): string {
    return choices[this.#below(choices.length)] ?? '';
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}

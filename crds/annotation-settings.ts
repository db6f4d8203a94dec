/** Settings in the text of an annotation: `NAME=VALUE; NAME=VALUE`. Names that nobody asks for are faults. */
import { durationFault, parseDurationMs } from './duration.ts';
import { didYouMean, show } from './findings.ts';

export class AnnotationSettings {
  readonly #values = new Map<string, string>();
  readonly #known: string[] = [];
  #fault: string | undefined = undefined;

  constructor(items: readonly string[]) {
    for (const item of items) {
      const equals = item.indexOf('=');
      const name = equals < 0 ? item : item.slice(0, equals).trim();
      if (equals < 0) this.#fail(`must have NAME=VALUE between semicolons, got ${show(item)}`);
      else if (this.#values.has(name)) this.#fail(`must have ${name} once only`);
      else this.#values.set(name, item.slice(equals + 1).trim());
    }
  }

  text(name: string): string | undefined {
    this.#known.push(name);
    return this.#values.get(name);
  }

  /** Milliseconds of a duration as Istio allows them. */
  durationMs(name: string, defaultMs: number): number {
    const text = this.text(name);
    if (text === undefined) return defaultMs;
    const fault = durationFault(text);
    if (fault !== undefined) this.#fail(`${name} ${fault}`);
    return parseDurationMs(text) ?? defaultMs;
  }

  integer(name: string, { defaultValue, min, max }: { defaultValue: number; min: number; max: number }): number {
    const text = this.text(name);
    if (text === undefined) return defaultValue;
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      this.#fail(`${name} must be a whole number from ${min} to ${max}, got ${show(text)}`);
    }
    return value;
  }

  /** For a value that only its reader can judge. */
  refuse(name: string, expected: string): void {
    this.#fail(`${name} must be ${expected}, got ${show(this.#values.get(name))}`);
  }

  /** The first sentence about what is wrong, after everything was asked for. */
  get fault(): string | undefined {
    const unknown = [...this.#values.keys()].find((name) => !this.#known.includes(name));
    if (this.#fault !== undefined || unknown === undefined) return this.#fault;
    const hint = didYouMean(unknown, this.#known) || `, known are ${this.#known.join(', ')}`;
    return `has no setting ${show(unknown)}${hint}`;
  }

  #fail(fault: string): void {
    this.#fault ??= fault;
  }
}

/** The pieces between semicolons. */
export function splitAnnotation(text: string): string[] {
  return text.split(';').map((item) => item.trim());
}

/** What an annotation says, or one sentence about what is wrong with it. */
export type Annotated<T> = { readonly value: T; readonly fault?: never } | { readonly fault: string };

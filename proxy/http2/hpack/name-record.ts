import { isWorthIndexing } from './indexing-policy.ts';
import { literalText } from './representations.ts';
import { staticNames } from './static-table.ts';

/** After so many insertions in a row that nothing ever referred to, a name's values are taken to be new each time. */
const maxFruitlessInsertions = 8;
const noValues: readonly string[] = [];

/** What one connection's encoder knows about a header name. */
export class NameRecord {
  readonly name: string;
  /** The name as a string literal. */
  readonly literal: string;
  /** Of the name's first entry in the static table; 0: it has none. */
  readonly staticIndex: number;
  readonly #staticValues: readonly string[];
  readonly #isWorthIndexing: boolean;
  isSensitive: boolean;

  /** Serial of each value that stands in the dynamic table. */
  readonly #serials = new Map<string, number>();
  /** The value last found or inserted, which mostly is the next one too: comparing is cheaper than hashing it. */
  #lastValue = '';
  #lastSerial = 0;
  /** Serial of the newest entry of this name, which may be gone; 0: there was none. */
  newestSerial = 0;
  #fruitlessInsertions = 0;

  constructor(name: string, isSensitive: boolean) {
    const known = staticNames.get(name);
    this.name = name;
    this.literal = literalText(name);
    this.staticIndex = known?.index ?? 0;
    this.#staticValues = known?.values ?? noValues;
    this.#isWorthIndexing = isWorthIndexing(name);
    this.isSensitive = isSensitive;
  }

  get isWorthInserting(): boolean {
    return this.#isWorthIndexing && this.#fruitlessInsertions < maxFruitlessInsertions;
  }

  /** Index in the static table of the name with `value`, or 0. No name has so many that a map would find it sooner. */
  staticIndexOf(value: string): number {
    const values = this.#staticValues;
    for (let i = 0; i < values.length; i++) {
      if (values[i] === value) return this.staticIndex + i;
    }
    return 0;
  }

  /** Serial of the entry with `value`, 0 when there is none. To be asked only while an entry of this name is alive. */
  findSerial(value: string): number {
    if (this.#lastSerial !== 0 && value === this.#lastValue) return this.#lastSerial;
    const serial = this.#serials.get(value) ?? 0;
    if (serial !== 0) this.#remember(value, serial);
    return serial;
  }

  noteHit(): void {
    this.#fruitlessInsertions = 0;
  }

  noteInsertion(value: string, serial: number): void {
    this.#serials.set(value, serial);
    this.#remember(value, serial);
    this.newestSerial = serial;
    this.#fruitlessInsertions++;
  }

  noteEviction(value: string): void {
    this.#serials.delete(value);
    if (this.#lastValue === value) this.#remember('', 0);
  }

  #remember(value: string, serial: number): void {
    this.#lastValue = value;
    this.#lastSerial = serial;
  }
}

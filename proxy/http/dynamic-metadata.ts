/**
 * Envoy's dynamic metadata of one request or connection: what filters found out, for other filters and for access logs.
 * What is set was made with the configuration and is only referred to here.
 */
export interface MetadataEntry {
  /** As a rule the name of a kind of filter. */
  readonly namespace: string;
  readonly values: ReadonlyMap<string, string>;
}

export class DynamicMetadata {
  readonly #entries: MetadataEntry[] = [];
  /** Counted apart: setting an array's length costs more than everything else here. */
  #count = 0;

  /** Of two values for one key the later one holds. */
  set(entry: MetadataEntry): void {
    this.#entries[this.#count] = entry;
    this.#count += 1;
  }

  get(namespace: string, key: string): string | undefined {
    for (let i = this.#count - 1; i >= 0; i--) {
      const entry = this.#entries[i];
      const value = entry?.namespace === namespace ? entry.values.get(key) : undefined;
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** In which there is something. */
  namespaces(): string[] {
    if (this.#count === 0) return [];
    return [...new Set(this.#entries.slice(0, this.#count).map(({ namespace }) => namespace))];
  }

  /** All of a namespace. */
  valuesOf(namespace: string): Record<string, string> {
    const entries = this.#entries.slice(0, this.#count).filter((entry) => entry.namespace === namespace);
    return Object.fromEntries(entries.flatMap(({ values }) => [...values]));
  }

  /** Makes it as new. */
  reset(): void {
    this.#count = 0;
  }
}

/** The fields behind a body (RFC 9110 §6.5), in their order. Hardly a message has any: they are kept simply. */
export class Trailers {
  #fields: (readonly [name: string, value: string])[] | undefined = undefined;

  get isEmpty(): boolean {
    return this.#fields === undefined;
  }

  get fields(): readonly (readonly [name: string, value: string])[] {
    return this.#fields ?? [];
  }

  /** `name` in lower case. */
  add(name: string, value: string): void {
    (this.#fields ??= []).push([name, value]);
  }

  /** The first value; undefined when there is none. */
  get(name: string): string | undefined {
    return this.#fields?.find(([key]) => key === name)?.[1];
  }

  clear(): void {
    this.#fields = undefined;
  }
}

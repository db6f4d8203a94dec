/** Shape 3, "decoded value": what every boundary returns. Errors are collected, all of them, each with its path. */

/** One fault in something a user or a peer wrote. */
export interface FieldError {
  /** Where, in the writer's own spelling: `spec.http[0].route[1].weight`. Empty when the whole input is meant. */
  readonly path: string;
  /** What was expected and what came: `must be >= 0, got -3`. */
  readonly message: string;
}

/** Either the decoded value or every reason why there is none. */
export type Decoded<T> =
  | { readonly value: T; readonly errors?: undefined }
  | { readonly value?: undefined; readonly errors: FieldError[] };

/** One line per fault, `path: message`. */
export function formatFieldErrors(errors: readonly FieldError[]): string {
  return errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('\n');
}

/** Thrown only where a decoded value is required to go on: at start-up and at the edge of a command. */
export class InvalidInputError extends Error {
  readonly errors: readonly FieldError[];

  constructor(origin: string, errors: readonly FieldError[]) {
    super(`${origin}:\n${formatFieldErrors(errors)}`);
    this.name = 'InvalidInputError';
    this.errors = errors;
  }
}

/** The value, or an InvalidInputError that names `origin` (a file, a flag, a peer). */
export function requireValue<T>(decoded: Decoded<T>, origin: string): T {
  if (decoded.errors !== undefined) throw new InvalidInputError(origin, decoded.errors);
  return decoded.value;
}

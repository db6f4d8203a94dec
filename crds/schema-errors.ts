/** A typebox validator whose faults read as users write: `spec.http[0].route[1].weight: must be >= 0, got -1`. */
import type { TSchema } from 'typebox';
import type { TLocalizedValidationError } from 'typebox/error';
// Not `typebox/compile`, which loads 150 more files for conversions of values: every command would wait for them.
import { Compile, type Validator } from 'typebox/schema';
import { Settings } from 'typebox/system';
import type { FieldError } from '../proxy/common/decoded.ts';
import { childPath, didYouMean, show } from './findings.ts';

// typebox stops at its eighth error; users want all of them. The bound keeps a hostile document cheap.
const maxErrors = 1000;
Settings.Set({ maxErrors });

const unknownField = 'unknown field';

/** Whether the fault is a field that the schema does not have: Kubernetes answers those differently. */
export function isUnknownField({ message }: FieldError): boolean {
  return message.startsWith(unknownField);
}

export interface SchemaFaults {
  readonly errors: FieldError[];
  /** Whether the value has the shape of its type, so that code written for the type can look at it. */
  readonly isTyped: boolean;
}

/** Faults that leave the types as they should be; all others make a value unreadable for typed code. */
const harmlessKeywords: ReadonlySet<string> = new Set(['boolean', 'minimum', 'maximum', 'exclusiveMinimum']);

export class SchemaValidator {
  readonly #schema: TSchema;
  #compiled: Validator | undefined = undefined;

  constructor(schema: TSchema) {
    this.#schema = schema;
  }

  /** Compiled when it is first asked: a command meets two or three of the kinds. */
  get #validator(): Validator {
    this.#compiled ??= Compile(this.#schema);
    return this.#compiled;
  }

  /** Every fault of `value`, which the user knows as `rootPath`. */
  check(value: unknown, rootPath: string): SchemaFaults {
    if (this.#validator.Check(value)) return { errors: [], isTyped: true };
    const [, all] = this.#validator.Errors(value);
    // An unknown field is reported twice: once by itself, which is the one to keep, and once by the object around it.
    const faults = all.filter(({ keyword }) => keyword !== 'additionalProperties');
    const errors = faults.flatMap((fault) => this.#explain(fault, value, rootPath));
    const isTyped = all.length < maxErrors && faults.every(({ keyword }) => harmlessKeywords.has(keyword));
    return { errors, isTyped };
  }

  #explain(fault: TLocalizedValidationError, root: unknown, rootPath: string): FieldError[] {
    const { path, field, value } = locate(root, fault.instancePath, rootPath);
    switch (fault.keyword) {
      case 'boolean': {
        const known = fieldsAt(this.#schema, fault.schemaPath.replace(/\/additionalProperties$/, ''));
        return [{ path, message: `${unknownField}${didYouMean(field, known)}` }];
      }
      case 'required':
        return fault.params.requiredProperties.map((field) => ({
          path: childPath(path, field),
          message: 'is required',
        }));
      case 'type':
        return [{ path, message: `must be ${typeName(String(fault.params.type))}, got ${show(value)}` }];
      case 'enum': {
        const allowed = fault.params.allowedValues.map(String);
        const hint = typeof value === 'string' ? didYouMean(value, allowed) : '';
        return [{ path, message: `must be one of ${allowed.join(', ')}, got ${show(value)}${hint}` }];
      }
      case 'minimum':
      case 'maximum':
      case 'exclusiveMinimum':
        return [{ path, message: `must be ${fault.params.comparison} ${fault.params.limit}, got ${show(value)}` }];
      default:
        return [{ path, message: `${fault.message}, got ${show(value)}` }];
    }
  }
}

const typeNames: Readonly<Record<string, string>> = {
  object: 'an object',
  array: 'a list',
  string: 'a string',
  integer: 'an integer',
  number: 'a number',
  boolean: 'true or false',
};

function typeName(type: string): string {
  return typeNames[type] ?? type;
}

/** Follows a JSON pointer (RFC 6901) through `root` and writes it as users do: list items in brackets, keys with dots. */
function locate(root: unknown, pointer: string, rootPath: string): { path: string; field: string; value: unknown } {
  let path = rootPath;
  let field = rootPath;
  let value = root;
  for (const token of pointer.split('/').slice(1)) {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~');
    path = Array.isArray(value) ? `${path}[${key}]` : childPath(path, key);
    field = key;
    value = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
  }
  return { path, field, value };
}

/** The field names of the object schema at `schemaPath`, a pointer such as `#/properties/http/items`. */
function fieldsAt(schema: unknown, schemaPath: string): string[] {
  let at: unknown = schema;
  for (const token of schemaPath.split('/').slice(1)) {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~');
    at = typeof at === 'object' && at !== null ? Reflect.get(at, key) : undefined;
  }
  const properties: unknown = typeof at === 'object' && at !== null ? Reflect.get(at, 'properties') : undefined;
  return typeof properties === 'object' && properties !== null ? Object.keys(properties) : [];
}

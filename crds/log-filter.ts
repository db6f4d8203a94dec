/**
 * The expression of a Telemetry's access log filter: the part of CEL (cel-spec, langdef.md) that Envoy's own access log
 * filters can say.
 */
import { durationFault, parseDurationMs } from './duration.ts';
import { didYouMean } from './findings.ts';
import { attributes, type Comparison, headers, methods, negations, type TextTest } from './log-filter-attributes.ts';
import { Fault, type Token, tokensOf } from './log-filter-tokens.ts';

/** Without negations: those are pushed down to the tests. */
export type LogFilter =
  | { readonly kind: 'and' | 'or'; readonly filters: readonly LogFilter[] }
  /** `response.code`; 0 when there was no response. */
  | { readonly kind: 'code'; readonly op: Comparison; readonly value: number }
  /** `request.duration`, of which Envoy counts whole milliseconds. */
  | { readonly kind: 'duration'; readonly op: '>=' | '<'; readonly valueMs: number }
  /** A request header or pseudo header; one that is absent passes neither the test nor its negation. */
  | {
      readonly kind: 'text';
      readonly header: string;
      readonly test: TextTest;
      readonly value: string;
      readonly isNegated: boolean;
    }
  | { readonly kind: 'present'; readonly header: string; readonly isNegated: boolean }
  /** Any response flag at all. */
  | { readonly kind: 'flagged' };

export type ParsedLogFilter =
  | { readonly filter: LogFilter; readonly fault?: undefined }
  | { readonly filter?: undefined; readonly fault: string };

export function parseLogFilter(expression: string): ParsedLogFilter {
  try {
    return { filter: new Parser(expression).parse() };
  } catch (error) {
    if (error instanceof Fault) return { fault: error.message };
    throw error;
  }
}

/** Deeper expressions would only exhaust the stack. */
const maxDepth = 50;
const maxCode = 999;

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(expression: string) {
    this.#tokens = tokensOf(expression);
  }

  parse(): LogFilter {
    const filter = this.#either(false);
    if (this.#peek().kind !== 'end') throw new Fault('expected &&, || or the end', this.#peek());
    return filter;
  }

  #either(isNegated: boolean): LogFilter {
    return this.#joined('||', isNegated ? 'and' : 'or', () => this.#both(isNegated));
  }

  #both(isNegated: boolean): LogFilter {
    return this.#joined('&&', isNegated ? 'or' : 'and', () => this.#single(isNegated));
  }

  #joined(symbol: string, kind: 'and' | 'or', operand: () => LogFilter): LogFilter {
    const first = operand();
    const filters = [first];
    while (this.#take(symbol)) filters.push(operand());
    return filters.length === 1 ? first : { kind, filters };
  }

  #single(isNegated: boolean): LogFilter {
    if (++this.#depth > maxDepth)
      throw new Fault(`expected at most ${maxDepth} ! and parentheses in each other`, this.#peek());
    const filter = this.#negatedOrTest(isNegated);
    this.#depth -= 1;
    return filter;
  }

  #negatedOrTest(isNegated: boolean): LogFilter {
    if (this.#take('!')) {
      const operand = this.#peek();
      const filter = this.#single(!isNegated);
      const isBare = operand.value !== '(' && operand.value !== '!' && this.#previous().value !== ')';
      if (isBare) throw new Fault('expected parentheses around what ! negates', operand);
      return filter;
    }
    if (this.#take('(')) {
      const filter = this.#either(isNegated);
      this.#expect(')');
      return filter;
    }
    return this.#test(isNegated);
  }

  #test(isNegated: boolean): LogFilter {
    const token = this.#peek();
    if (token.kind === 'text') return this.#presence(isNegated);
    if (token.kind !== 'word') throw new Fault('expected an attribute', token);
    const attribute = this.#attribute();
    if (attribute === 'response.code') return this.#code(isNegated);
    if (attribute === 'response.flags') return this.#flags(isNegated);
    if (attribute === 'request.duration') return this.#duration(isNegated);
    const header = attribute === 'request.headers' ? this.#headerName() : headers.get(attribute);
    if (header === undefined) {
      throw new Fault(`does not support this attribute${didYouMean(attribute, attributes)}`, {
        ...token,
        value: attribute,
      });
    }
    return this.#text(header, isNegated);
  }

  /** Names with points between them, up to the name of a method. */
  #attribute(): string {
    const names = [this.#kind('word', 'an attribute')];
    while (this.#peek().value === '.' && !methods.has(this.#peek(1).value)) {
      this.#expect('.');
      names.push(this.#kind('word', 'a name'));
    }
    return names.join('.');
  }

  #headerName(): string {
    this.#expect('[');
    const name = this.#header();
    this.#expect(']');
    return name;
  }

  #header(): string {
    const token = this.#peek();
    const name = this.#kind('text', 'the name of a header in quotes').toLowerCase();
    if (!/^:?[\w!#$&'*+.^`|~-]+$/.test(name)) throw new Fault('expected the name of a header', token);
    return name;
  }

  #presence(isNegated: boolean): LogFilter {
    const header = this.#header();
    this.#expect('in');
    const token = this.#peek();
    if (this.#attribute() !== 'request.headers') throw new Fault('expected request.headers', token);
    return { kind: 'present', header, isNegated };
  }

  #code(isNegated: boolean): LogFilter {
    const written = this.#comparison(['==', '!=', '<', '<=', '>', '>=']);
    const op = isNegated ? negations[written] : written;
    const token = this.#peek();
    const value = Number(this.#kind('number', 'a number'));
    const isPossible = value <= maxCode && (value > 0 || op !== '<');
    if (!isPossible) throw new Fault('expected a status code that there can be', token);
    return { kind: 'code', op, value };
  }

  /** With a part of a millisecond `>` and `<=` would be something else than they are with the whole ones that Envoy has. */
  #duration(isNegated: boolean): LogFilter {
    const written = this.#comparison(['>=', '<']);
    const op = (written === '<') === isNegated ? '>=' : '<';
    const start = this.#peek();
    if (this.#kind('word', 'duration') !== 'duration') throw new Fault('expected duration', start);
    const { token, value } = this.#argument();
    if (durationFault(value) !== undefined) throw new Fault('expected whole milliseconds such as 1.5s', token);
    return { kind: 'duration', op, valueMs: parseDurationMs(value) ?? 0 };
  }

  #flags(isNegated: boolean): LogFilter {
    const start = this.#peek();
    const op = this.#comparison(['==', '!=']);
    if (Number(this.#kind('number', '0')) !== 0)
      throw new Fault('expected 0: flags are not told apart', this.#previous());
    if ((op === '!=') === isNegated) throw new Fault('does not support requests without flags', start);
    return { kind: 'flagged' };
  }

  #text(header: string, isNegated: boolean): LogFilter {
    if (this.#take('.')) {
      const test = methods.get(this.#kind('word', 'a method')) ?? 'exact';
      const { token, value } = this.#argument();
      // Envoy's matchers take no empty prefix, suffix or part: all texts have those.
      if (value === '') throw new Fault('expected a text that is not empty', token);
      return { kind: 'text', header, test, value, isNegated };
    }
    const op = this.#comparison(['==', '!=']);
    const value = this.#kind('text', 'a text in quotes');
    return { kind: 'text', header, test: 'exact', value, isNegated: (op === '!=') !== isNegated };
  }

  /** A text in quotes and parentheses. */
  #argument(): { readonly token: Token; readonly value: string } {
    this.#expect('(');
    const token = this.#peek();
    const value = this.#kind('text', 'a text in quotes');
    this.#expect(')');
    return { token, value };
  }

  #comparison<C extends Comparison>(allowed: readonly C[]): C {
    const token = this.#peek();
    const op = allowed.find((each) => each === token.value);
    if (token.kind !== 'symbol' || op === undefined) throw new Fault(`expected ${allowed.join(' ')}`, token);
    this.#next += 1;
    return op;
  }

  #kind(kind: Token['kind'], expected: string): string {
    const token = this.#peek();
    if (token.kind !== kind) throw new Fault(`expected ${expected}`, token);
    this.#next += 1;
    return token.value;
  }

  #expect(value: string): void {
    if (!this.#take(value)) throw new Fault(`expected ${value}`, this.#peek());
  }

  #take(value: string): boolean {
    const token = this.#peek();
    const isThere = token.kind !== 'text' && token.value === value;
    if (isThere) this.#next += 1;
    return isThere;
  }

  #previous(): Token {
    return this.#peek(-1);
  }

  /** The last token is the end. */
  #peek(offset = 0): Token {
    return this.#tokens[this.#next + offset] ?? { kind: 'end', value: '', position: 0 };
  }
}

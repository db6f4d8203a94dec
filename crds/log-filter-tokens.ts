/** The tokens of an access log filter's expression: those of CEL that it may have. */
import { show } from './findings.ts';

export interface Token {
  readonly kind: 'word' | 'number' | 'text' | 'symbol' | 'end' | 'unknown';
  /** As written; of a text what it means. */
  readonly value: string;
  /** Counted from 1. */
  readonly position: number;
}

const lexeme =
  /\s+|[A-Za-z_]\w*|\d+(?![\w.])|"(?:[^"\\\n]|\\["'\\])*"|'(?:[^'\\\n]|\\["'\\])*'|&&|\|\||[=!<>]=|[<>!().[\]]/y;

/** Ends with a token of kind `end`, or with an `unknown` one where something is no token. */
export function tokensOf(expression: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < expression.length) {
    lexeme.lastIndex = at;
    const [text] = lexeme.exec(expression) ?? [];
    const position = at + 1;
    if (text === undefined) return [...tokens, { kind: 'unknown', value: expression.slice(at, at + 20), position }];
    const kind = kindOf(text);
    if (kind !== undefined) tokens.push({ kind, value: kind === 'text' ? unquote(text) : text, position });
    at += text.length;
  }
  return [...tokens, { kind: 'end', value: '', position: expression.length + 1 }];
}

/** Undefined for space. */
function kindOf(text: string): Token['kind'] | undefined {
  if (/^\s/.test(text)) return undefined;
  if (/^["']/.test(text)) return 'text';
  if (/^\d/.test(text)) return 'number';
  return /^\w/.test(text) ? 'word' : 'symbol';
}

function unquote(text: string): string {
  return text.slice(1, -1).replaceAll(/\\(.)/g, '$1');
}

const supported =
  'supported are response.code with a number, request.method, request.path, request.host and ' +
  "request.headers['name'] with a text (== != startsWith endsWith contains), 'name' in request.headers, " +
  "request.duration with >= or < and duration('1s'), response.flags != 0, && || ! and parentheses";

/** What is wrong at a token, with what would be right. */
export class Fault extends Error {
  constructor(message: string, { value, kind, position }: Token) {
    const got = kind === 'end' ? 'the end' : show(value);
    super(`${message}, got ${got} at character ${position}; ${supported}`);
  }
}

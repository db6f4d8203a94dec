import { hashHeaderName } from '../http/header-name.ts';

/** What an entry costs in a table beyond its text (RFC 7541 §4.1). */
export const fieldOverheadBytes = 32;

const colon = 58;
const space = 32;
const tab = 9;

/** Per byte: 1 token without upper case (RFC 9113 §8.2.1), 2 field value incl. obs-text, space and tab. */
const classes = new Uint8Array(256);
const isNameByte = 1;
const isValueByte = 2;
for (let byte = 0; byte < 256; byte++) {
  if (/[!#$%&'*+\-.^_`|~0-9a-z]/.test(String.fromCharCode(byte))) classes[byte] = (classes[byte] ?? 0) | isNameByte;
  if (byte === tab || (byte >= space && byte !== 127)) classes[byte] = (classes[byte] ?? 0) | isValueByte;
}

/** One header field as tables and messages share it: everything that does not depend on the message is computed once. */
export class HeaderField {
  /** Latin1, as received. */
  readonly name: string;
  readonly value: string;
  /** What the field counts for, in tables and in limits of header lists (RFC 7541 §4.1, RFC 9113 §6.5.2). */
  readonly sizeBytes: number;
  /** That of `HeaderName` for the same name. */
  readonly hash: number;
  /** As a header line of HTTP/1.1. */
  readonly line: string;
  /** Whether a message may carry it; what is not valid could smuggle lines or framing into HTTP/1.1 (RFC 9113 §8.2.1). */
  readonly isValid: boolean;
  readonly #isNameValid: boolean;

  /** Of one with the `sameName`, what is known about the name is taken over. */
  constructor(name: string, value: string, sameName?: HeaderField) {
    this.name = name;
    this.value = value;
    this.sizeBytes = name.length + value.length + fieldOverheadBytes;
    this.hash = sameName === undefined ? hashHeaderName(name) : sameName.hash;
    this.line = `${name}: ${value}\r\n`;
    this.#isNameValid = sameName === undefined ? isFieldName(name) : sameName.#isNameValid;
    this.isValid = this.#isNameValid && isFieldValue(value);
  }
}

/** A colon may only begin the name, and never is the name: those are the pseudo-header fields, for the reader to know. */
function isFieldName(name: string): boolean {
  const first = name.charCodeAt(0) === colon ? 1 : 0;
  if (name.length === first) return false;
  for (let i = first; i < name.length; i++) {
    if (((classes[name.charCodeAt(i)] ?? 0) & isNameByte) === 0) return false;
  }
  return true;
}

function isFieldValue(value: string): boolean {
  const { length } = value;
  if (length === 0) return true;
  if (isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(length - 1))) return false;
  for (let i = 0; i < length; i++) {
    if (((classes[value.charCodeAt(i)] ?? 0) & isValueByte) === 0) return false;
  }
  return true;
}

function isBlank(code: number): boolean {
  return code === space || code === tab;
}

/** What ends every code and never stands in a text (RFC 7541 §5.2). */
export const endOfString = 256;

/**
 * Length in bits of the code of each byte and of `endOfString` (RFC 7541 appendix B). The lengths say it all: the code is
 * canonical, so among codes of one length the values follow the symbols, and shorter codes come before longer ones.
 */
export const codeLengths: readonly number[] = [
  [13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28], // 0x00
  [28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28], // 0x10
  [6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6], // 0x20
  [5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10], // 0x30
  [13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7], // 0x40
  [7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6], // 0x50
  [15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5], // 0x60
  [6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28], // 0x70
  [20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23], // 0x80
  [24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24], // 0x90
  [22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23], // 0xa0
  [21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23], // 0xb0
  [26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25], // 0xc0
  [19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27], // 0xd0
  [20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23], // 0xe0
  [26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26], // 0xf0
  [30], // endOfString
].flat();

const longestBits = 30;

/** The code of each symbol, right-aligned. */
export const codes: readonly number[] = assignCodes();

function assignCodes(): number[] {
  const assigned = codeLengths.map(() => 0);
  let next = 0;
  for (let bits = 1; bits <= longestBits; bits++) {
    next *= 2;
    codeLengths.forEach((length, symbol) => {
      if (length === bits) assigned[symbol] = next++;
    });
  }
  return assigned;
}

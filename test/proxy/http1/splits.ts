/** Where messages are cut in two. */

const exhaustiveLength = 700;

/** Every offset of a message; of a large one every offset near its ends and some between, a prime apart. */
export function splitOffsets({ length }: string): number[] {
  const offsets: number[] = [];
  for (let at = 1; at < length; at++) {
    const isSampled = length <= exhaustiveLength || at < 60 || at > length - 60 || at % 4_999 === 0;
    if (isSampled) offsets.push(at);
  }
  return offsets;
}

export function splitAt(text: string, offset: number): string[] {
  return [text.slice(0, offset), text.slice(offset)];
}

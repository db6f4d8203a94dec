/** Node's direct byte-to-string call: `toString('latin1')` pays for finding the encoding by name each time. */
interface Latin1Bytes {
  latin1Slice(start: number, end: number): string;
}

/** One character per byte, so that what is cut and spliced as text goes out as the same bytes. */
export function latin1(bytes: Buffer, start: number, end: number): string {
  return (bytes as unknown as Latin1Bytes).latin1Slice(start, end);
}

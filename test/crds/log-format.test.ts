import { describe, expect, it } from 'vitest';
import { encodeFrame, fileHeader, scanLog } from '../../crds/log-format.ts';

const payloads = [{ text: 'ü'.repeat(20) }, { n: 1, list: ['a\nb', '\u0000'] }, {}];
const log = Buffer.concat([fileHeader, ...payloads.map(encodeFrame)]);
/** Where the header and each frame end. */
const ends = [
  fileHeader.length,
  ...payloads.map((_, index) => Buffer.concat([fileHeader, ...payloads.slice(0, index + 1).map(encodeFrame)]).length),
];

describe('the format of the log', () => {
  it('gives back what was written', () => {
    expect(scanLog(log)).toEqual({ kind: 'readable', payloads, validBytes: log.length });
    expect(scanLog(fileHeader)).toEqual({ kind: 'readable', payloads: [], validBytes: fileHeader.length });
  });

  it('never holds NUL or a newline within a record: holes and ends are told by them', () => {
    expect(log.includes(0)).toBe(false);
    expect(log.filter((byte) => byte === 0x0a)).toHaveLength(payloads.length + 1);
  });

  it('keeps every whole record when it is cut off, at any byte', () => {
    for (let size = fileHeader.length; size <= log.length; size += 1) {
      const whole = ends.filter((end) => end <= size).length - 1;
      expect(scanLog(log.subarray(0, size))).toEqual({
        kind: 'readable',
        payloads: payloads.slice(0, whole),
        validBytes: ends[whole],
      });
    }
  });

  it('is corrupt, from the damaged record on, when any bit of any byte is wrong', () => {
    for (let offset = 0; offset < log.length; offset += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const damaged = Buffer.from(log);
        damaged[offset] = (damaged[offset] ?? 0) ^ (1 << bit);
        // A byte that becomes NUL looks like a sector that was never written: torn when it is in the last record.
        if (damaged[offset] === 0) continue;
        const start = [0, ...ends].findLast((end) => end <= offset);
        expect(scanLog(damaged)).toMatchObject({ kind: 'corrupt', offset: start });
      }
    }
  });

  it('is torn when zeros fill any part of the last record, and corrupt when they are in an earlier one', () => {
    const lastStart = ends.at(-2) ?? 0;
    for (let offset = fileHeader.length; offset < log.length; offset += 1) {
      const holed = Buffer.from(log).fill(0, offset, offset + 1);
      if (offset >= lastStart)
        expect(scanLog(holed)).toEqual({ kind: 'readable', payloads: payloads.slice(0, -1), validBytes: lastStart });
      else expect(scanLog(holed).kind).toBe('corrupt');
    }
  });

  it('is torn when a file was made longer than what was written', () => {
    const padded = Buffer.concat([log, Buffer.alloc(5000)]);
    expect(scanLog(padded)).toEqual({ kind: 'readable', payloads, validBytes: log.length });
  });
});

import { describe, expect, test } from 'vitest';
import { parseTimeFormat } from '../../../proxy/common/time-format.ts';

const time = new Date(Date.UTC(2026, 10, 25, 17, 9, 17, 540));
const newYear = new Date(Date.UTC(2027, 0, 1, 0, 0, 0, 6));

describe('a format of times', () => {
  test.each([
    ['', '2026-11-25T17:09:17.540Z', '2027-01-01T00:00:00.006Z'],
    ['%Y/%m/%d %H:%M:%S', '2026/11/25 17:09:17', '2027/01/01 00:00:00'],
    ['%F %T', '2026-11-25 17:09:17', '2027-01-01 00:00:00'],
    ['%f|%1f|%3f|%6f|%9f', '540000000|5|540|540000|540000000', '006000000|0|006|006000|006000000'],
    ['%s%3f', '1795626557540', '1798761600006'],
    ['%a %e %b %j', 'Wed 25 Nov 329', 'Fri  1 Jan 001'],
    ['%z %Z %%Y', '+0000 UTC %Y', '+0000 UTC %Y'],
    ['plain', 'plain', 'plain'],
  ])('%j', (format, text, atNewYear) => {
    const { value } = parseTimeFormat(format);
    expect([value?.(time), value?.(newYear)]).toEqual([text, atNewYear]);
  });

  test.each([
    ['%q', '%q'],
    ['%Y%', '%'],
    ['%0f', '%0f'],
    ['%3Y', '%3Y'],
    ['%E3S', '%E'],
    ['% Y', '%'],
    ['%constructor', '%c'],
  ])('%j is refused', (format, token) => {
    const supported = '% a b d e f F H j m M s S T Y z Z and 1f to 9f';
    expect(parseTimeFormat(format).errors).toEqual([
      { path: '', message: `has "${token}": only ${supported} are supported behind "%"` },
    ]);
  });
});

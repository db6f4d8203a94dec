import { describe, expect, it } from 'vitest';
import { growthOf } from '../../../bench/memory/growth.ts';
import { formatMemoryReport, memoryRow, type MemoryReport } from '../../../bench/memory/report.ts';
import { parseRss, readRssBytes } from '../../../bench/memory/rss-meter.ts';
import { heddle } from '../../../bench/peers/heddle.ts';

const soakOf = (...megabytes: number[]) =>
  megabytes.map((value, i) => ({ requests: (i + 1) * 1_000, rssBytes: value * 1e6 }));

describe('resident memory', () => {
  it('is read in bytes from the line that holds it', () => {
    expect(parseRss('Name:\tnode\nVmHWM:\t  999 kB\nVmRSS:\t   1024 kB\nRssAnon:\t 5 kB\n')).toBe(1_048_576);
    expect(() => parseRss('Name:\tnode\n')).toThrow('expected a line VmRSS');
    expect(readRssBytes(process.pid)).toBeGreaterThan(10e6);
  });
});

describe('a soak', () => {
  it('is flat when the peak of its second half is that of its first, whatever happens between', () => {
    expect(growthOf(soakOf(80, 100, 70, 101))).toEqual({
      firstHalfBytes: 100e6,
      secondHalfBytes: 101e6,
      growthBytes: 1e6,
      isFlat: true,
    });
  });

  it('is not flat when it goes on growing', () => {
    expect(growthOf(soakOf(80, 90, 100, 110))).toMatchObject({ growthBytes: 20e6, isFlat: false });
  });
});

describe('the report of the memory', () => {
  const options = { only: undefined, rounds: 1, seconds: 1, warmupSeconds: 1, connections: 64, json: undefined };
  const linesOf = (idleMegabytes: number): string[] => {
    const measurement = { idleBytes: idleMegabytes * 1e6, soak: soakOf(100, 101) };
    const report: MemoryReport = {
      machine: { cpu: 'Abacus 9', cores: 2, kernel: '6.1', node: 'v20' },
      peers: [],
      options: { ...options, soakRequests: 2_000 },
      rows: [
        memoryRow({ ...heddle, probe: () => ({ version: '1' }) }, [{ measurement }]),
        memoryRow({ ...heddle, name: 'envoy', probe: () => ({ missing: 'not installed' }) }, []),
        memoryRow({ ...heddle, name: 'nginx', probe: () => ({ version: '1' }) }, [
          { measurement },
          { failure: 'ended' },
        ]),
      ],
    };
    return formatMemoryReport(report).split('\n');
  };

  it('judges the idle memory of Heddle, and shows what could not be measured', () => {
    expect(linesOf(80).slice(0, 5)).toEqual([
      'Resident memory, idle and over 2,000 requests, 64 connections, median of 1 rounds',
      '        idle MB        goal  1st half MB  2nd half MB  growth MB  flat',
      'heddle     80.0  ≤ 90.0 met        100.0        101.0        1.0   yes',
      'envoy   missing: not installed',
      'nginx   failed: ended',
    ]);
    expect(linesOf(91)[2]).toContain('≤ 90.0 missed');
  });
});

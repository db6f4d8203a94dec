import { describe, expect, it } from 'vitest';
import { parseCpuTicks, readCpuMicros } from '../../bench/cpu-meter.ts';

const line = (name: string): string =>
  `4711 (${name}) S 1 4711 4711 0 -1 4194560 900 0 1 0 250 75 3 4 20 0 11 0 120000 1000000 5000 18446744073709551615`;

describe('the CPU meter', () => {
  it('adds user and system time and leaves out that of ended children', () => {
    expect(parseCpuTicks(line('nginx'))).toBe(325);
  });

  it('is not confused by spaces and brackets in the name of a program', () => {
    expect(parseCpuTicks(line('a) S 9 (b'))).toBe(325);
  });

  it('says what it got when the line has another form', () => {
    expect(() => parseCpuTicks('4711 (nginx) S 1')).toThrow('expected utime and stime, got "4711 (nginx) S 1"');
  });

  it('sees the time that this process burns', () => {
    const before = readCpuMicros(process.pid);
    const burnt = process.cpuUsage();
    while (process.cpuUsage(burnt).user + process.cpuUsage(burnt).system < 60_000);
    const spent = readCpuMicros(process.pid) - before;
    expect(spent).toBeGreaterThanOrEqual(40_000);
  });

  it('throws for a process that does not exist', () => {
    expect(() => readCpuMicros(2 ** 22 + 1)).toThrow('ENOENT');
  });
});

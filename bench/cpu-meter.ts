/** CPU time of a process, all its threads, user and system. Source: proc(5), /proc/PID/stat fields 14 and 15. */
import { readFileSync } from 'node:fs';

/** The unit of /proc/PID/stat: Linux shows user space 100 ticks a second whatever the kernel's own rate is. */
const microsPerTick = 10_000;

/** CPU microseconds that process `pid` has used since it started. Throws when there is no such process. */
export function readCpuMicros(pid: number): number {
  return parseCpuTicks(readFileSync(`/proc/${pid}/stat`, 'utf8')) * microsPerTick;
}

/** utime + stime of one /proc/PID/stat line. The program's name may hold spaces and brackets, so fields count from the last `)`. */
export function parseCpuTicks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  if (!Number.isFinite(ticks)) throw new Error(`/proc/PID/stat: expected utime and stime, got ${JSON.stringify(stat)}`);
  return ticks;
}

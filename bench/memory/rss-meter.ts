/** Resident memory of a process. Source: proc_pid_status(5). */
import { readFileSync } from 'node:fs';

/** Bytes of process `pid`. Throws when there is no such process. */
export function readRssBytes(pid: number): number {
  return parseRss(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

/** Bytes of the line VmRSS, which is in kB. */
export function parseRss(status: string): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kilobytes === undefined) throw new Error('/proc/PID/status: expected a line VmRSS');
  return Number(kilobytes) * 1_024;
}

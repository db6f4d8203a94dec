/** Tests that need IPv6 on this machine. */
import { networkInterfaces } from 'node:os';
import type { TestContext } from 'vitest';
import { skipOrFail } from './peers.ts';

/** Skips the test, with the reason, where loopback has IPv4 alone. */
export function requireIPv6(context: TestContext): void {
  const { lo = [] } = networkInterfaces();
  if (!lo.some(({ address }) => address === '::1')) skipOrFail(context, 'IPv6', 'the loopback interface has no ::1');
}

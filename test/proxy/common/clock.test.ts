import { describe, expect, it } from 'vitest';
import { beginDelivery, endDelivery, systemClock } from '../../../proxy/common/clock.ts';
import { type SocketHandler } from '../../../proxy/common/socket.ts';
import { deliver, settle } from '../../../proxy/common/turn.ts';
import type { Socket } from 'node:net';

/** Until the hand has moved. */
function spin(): void {
  const before = performance.now();
  while (performance.now() <= before);
}

describe("the system's clock", () => {
  it('stands still while what a socket delivered is worked on', () => {
    beginDelivery();
    const first = systemClock.monotonicMs();
    spin();
    const second = systemClock.monotonicMs();
    endDelivery();
    expect(second).toBe(first);
  });

  it('goes on between two deliveries, and in the next one', () => {
    beginDelivery();
    const first = systemClock.monotonicMs();
    endDelivery();
    spin();
    const between = systemClock.monotonicMs();
    expect(between).toBeGreaterThan(first);
    spin();
    beginDelivery();
    expect(systemClock.monotonicMs()).toBeGreaterThan(between);
    endDelivery();
  });

  it('goes on after a handler that throws', () => {
    let failed = 0;
    const handler = {
      onBytes() {
        failed = systemClock.monotonicMs();
        throw new Error('a bug');
      },
    } as unknown as SocketHandler;
    deliver({ destroy() {}, pause() {} } as unknown as Socket, handler, Buffer.alloc(1), 1);
    settle();
    spin();
    expect(systemClock.monotonicMs()).toBeGreaterThan(failed);
  });
});

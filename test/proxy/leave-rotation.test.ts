import { describe, expect, test } from 'vitest';
import { leaveRotation } from '../../proxy/leave-rotation.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { turn } from '../support/turns.ts';

/** What happens in which order while a proxy leaves. */
function leave(deadlineMs: number) {
  const clock = new ManualClock();
  const events: string[] = [];
  let answer = (): void => {};
  const ads = {
    withdraw: () => {
      events.push('told');
      return new Promise<void>((resolve) => (answer = resolve));
    },
  };
  const listeners = { announceDrain: () => void events.push('announced') };
  void leaveRotation({ ads, listeners, clock }, deadlineMs).then(() => events.push('left'));
  const pass = async (ms: number): Promise<string[]> => {
    clock.advance(ms);
    await turn();
    return events;
  };
  return { pass, clock, answer: () => answer() };
}

describe('B10: leaving the rotation', () => {
  test('ends when the others have answered, and with what was on its way', async () => {
    const { pass, answer, clock } = leave(5_000);
    expect(await pass(300)).toEqual(['told']);
    answer();
    expect(await pass(0)).toEqual(['told', 'announced']);
    expect(await pass(49)).toEqual(['told', 'announced']);
    expect(await pass(1)).toEqual(['told', 'announced', 'left']);
    expect(clock.pendingTimers).toBe(0);
  });

  test('ends after 2 s when they do not answer; callers are asked to go before', async () => {
    const { pass } = leave(60_000);
    expect(await pass(1_499)).toEqual(['told']);
    expect(await pass(1)).toEqual(['told', 'announced']);
    expect(await pass(499)).toEqual(['told', 'announced']);
    expect((await pass(1)).at(-1)).toBe('left');
  });

  test('takes half of a short deadline at most', async () => {
    const { pass } = leave(1_000);
    expect(await pass(499)).not.toContain('left');
    expect(await pass(1)).toContain('left');
  });

  test('an answer that comes too late changes nothing', async () => {
    const { pass, answer } = leave(1_000);
    const events = [...(await pass(500))];
    answer();
    expect(await pass(1_000)).toEqual(events);
  });
});

/** Waiting in tests without sleeping: turns of the event loop, and conditions. */
const patienceMs = 10_000;
/** Most of what is waited for happens within a few turns. Whoever waits longer leaves the processor to others. */
const busyTurns = 100;

/** One turn: what the kernel holds for this process by now has been read when it is over. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

/** Turns until `condition` holds; rejects with `describe()` when it does not come true within `timeoutMs`. */
export async function until(
  condition: () => boolean,
  describe: () => string = () => condition.toString(),
  timeoutMs: number = patienceMs,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  for (let waited = 0; !condition(); waited++) {
    if (performance.now() > endMs) throw new Error(`waited in vain: ${describe()}`);
    await (waited < busyTurns ? turn() : new Promise((resolve) => setTimeout(resolve, 1)));
  }
}

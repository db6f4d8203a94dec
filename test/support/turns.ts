/** Waiting in tests without sleeping: turns of the event loop, and conditions. */
const patienceMs = 1_000;

/** One turn: what the kernel holds for this process by now has been read when it is over. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

/** Turns until `condition` holds; rejects with `describe()` when it does not come true. */
export async function until(condition: () => boolean, describe: () => string): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`waited in vain: ${describe()}`);
    await turn();
  }
}

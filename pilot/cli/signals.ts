/** Signals of this process, as promises. */

/** The first asks for an orderly end, the second for an end now. */
export interface StopSignals {
  readonly first: Promise<NodeJS.Signals>;
  readonly second: Promise<NodeJS.Signals>;
  dispose(): void;
}

export function listenForStop(names: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT']): StopSignals {
  const waiting: ((signal: NodeJS.Signals) => void)[] = [];
  const first = new Promise<NodeJS.Signals>((resolve) => waiting.push(resolve));
  const second = new Promise<NodeJS.Signals>((resolve) => waiting.push(resolve));
  const dispose = onSignals(names, (signal) => waiting.shift()?.(signal));
  return { first, second, dispose };
}

/** Calls `listener` for each of these signals; the returned function ends that. */
export function onSignals(names: readonly NodeJS.Signals[], listener: (signal: NodeJS.Signals) => void): () => void {
  for (const name of names) process.on(name, listener);
  return () => {
    for (const name of names) process.off(name, listener);
  };
}

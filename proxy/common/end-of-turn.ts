/**
 * What may wait until every event was heard that is there already: it runs in one batch, before the event loop looks for
 * new ones.
 */

export interface TurnEnd {
  /** Must not throw. */
  onEndOfTurn(): void;
}

let waiting: TurnEnd[] = [];

export function atEndOfTurn(waiter: TurnEnd): void {
  if (waiting.push(waiter) === 1) setImmediate(run);
}

function run(): void {
  const due = waiting;
  waiting = [];
  for (const waiter of due) waiter.onEndOfTurn();
}

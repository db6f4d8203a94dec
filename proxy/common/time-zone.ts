/** What a clock on the wall shows in a time zone (IANA, such as `Europe/Berlin`). */

/** All offsets in use change at a full quarter of an hour. */
const offsetValidMs = 15 * 60_000;
const dayMs = 86_400_000;

export class TimeZone {
  readonly #format: Intl.DateTimeFormat;
  /** To be added to UTC, for the quarter of an hour with this number. */
  #offsetMs = 0;
  #quarter = -1;

  /** `name` has passed `isTimeZone`. */
  constructor(name: string) {
    this.#format = formatOf(name);
  }

  /** From 0, a Sunday, to 6. */
  dayOfWeek(timeMs: number): number {
    // The epoch began on a Thursday.
    return (Math.floor(this.#localMs(timeMs) / dayMs) + 4) % 7;
  }

  hours(timeMs: number): number {
    return Math.floor((this.#localMs(timeMs) % dayMs) / 3_600_000);
  }

  minutes(timeMs: number): number {
    return Math.floor((this.#localMs(timeMs) % 3_600_000) / 60_000);
  }

  #localMs(timeMs: number): number {
    const quarter = Math.floor(timeMs / offsetValidMs);
    if (quarter !== this.#quarter) {
      this.#quarter = quarter;
      this.#offsetMs = this.#readOffset(quarter * offsetValidMs);
    }
    return timeMs + this.#offsetMs;
  }

  #readOffset(timeMs: number): number {
    const parts = new Map(this.#format.formatToParts(timeMs).map(({ type, value }) => [type as string, Number(value)]));
    const read = (type: string): number => parts.get(type) ?? 0;
    const localMs = Date.UTC(
      read('year'),
      read('month') - 1,
      read('day'),
      read('hour'),
      read('minute'),
      read('second'),
    );
    return localMs - timeMs;
  }
}

export function isTimeZone(name: string): boolean {
  try {
    return formatOf(name).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const number = 'numeric';
  const parts = { year: number, month: number, day: number, hour: number, minute: number, second: number } as const;
  return new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    calendar: 'gregory',
    numberingSystem: 'latn',
    ...parts,
  });
}

/** Moments in text, as RFC 3339 §5.6 writes them. */
const format = /^(\d{4}-\d\d-\d\d)[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** Unix milliseconds; undefined when the text is no moment. */
export function parseTimestampMs(text: string): number | undefined {
  const [, date] = format.exec(text) ?? [];
  if (date === undefined || !isDate(date)) return undefined;
  const timeMs = Date.parse(text.toUpperCase());
  return Number.isNaN(timeMs) ? undefined : timeMs;
}

/** `Date` takes the 31st of every month, and goes on to the next. */
function isDate(date: string): boolean {
  const startMs = Date.parse(`${date}T00:00:00Z`);
  return !Number.isNaN(startMs) && new Date(startMs).toISOString().startsWith(date);
}

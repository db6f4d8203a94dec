/** Operational log of a process: one line per event on stderr. The access log is something else. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger for one part of the program; its name stands in every line. */
  child(scope: string): Logger;
}

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

const severity: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Lines look like `2026-01-31T12:00:00.000Z warn xds stream closed code=14 retryInMs=250`. */
export function createLogger(
  scope: string,
  minLevel: LogLevel = 'info',
  write: (line: string) => void = (line) => process.stderr.write(line),
): Logger {
  const emit = (level: LogLevel, message: string, fields: LogFields = {}): void => {
    if (severity[level] < severity[minLevel]) return;
    const details = Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => ` ${name}=${formatValue(value)}`);
    write(`${new Date().toISOString()} ${level} ${scope} ${message}${details.join('')}\n`);
  };
  return {
    debug: (message, fields) => emit('debug', message, fields),
    info: (message, fields) => emit('info', message, fields),
    warn: (message, fields) => emit('warn', message, fields),
    error: (message, fields) => emit('error', message, fields),
    child: (name) => createLogger(`${scope}/${name}`, minLevel, write),
  };
}

/** Quotes what could forge a second field or a second line. */
function formatValue(value: string | number | boolean | undefined): string {
  const text = String(value);
  return /^[\w.:/@|~*-]+$/.test(text) ? text : JSON.stringify(text);
}

/** For tests and for parts that must stay quiet. */
export const silentLogger: Logger = createLogger('', 'error', () => {});

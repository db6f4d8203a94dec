/** Pure: compiled conditions on the time at which a request came. Nothing is allocated when they are asked. */
import type { TimeCondition } from '../api/rbac.ts';
import { TimeZone } from '../common/time-zone.ts';

export type TimePredicate = (timeMs: number) => boolean;

export function compileTimeCondition(condition: TimeCondition): TimePredicate {
  switch (condition.kind) {
    case 'and': {
      const all = condition.conditions.map(compileTimeCondition);
      return (timeMs) => all.every((holds) => holds(timeMs));
    }
    case 'or': {
      const some = condition.conditions.map(compileTimeCondition);
      return (timeMs) => some.some((holds) => holds(timeMs));
    }
    case 'time': {
      const limitMs = condition.timeMs;
      return condition.op === '<' ? (timeMs) => timeMs < limitMs : (timeMs) => timeMs >= limitMs;
    }
    case 'field':
      return compileField(condition);
  }
}

function compileField({ field, timeZone, op, value }: TimeCondition & { readonly kind: 'field' }): TimePredicate {
  const zone = new TimeZone(timeZone);
  const read = {
    day_of_week: (timeMs: number) => zone.dayOfWeek(timeMs),
    hours: (timeMs: number) => zone.hours(timeMs),
    minutes: (timeMs: number) => zone.minutes(timeMs),
  }[field];
  switch (op) {
    case '==':
      return (timeMs) => read(timeMs) === value;
    case '<':
      return (timeMs) => read(timeMs) < value;
    case '>':
      return (timeMs) => read(timeMs) > value;
    case '>=':
      return (timeMs) => read(timeMs) >= value;
  }
}

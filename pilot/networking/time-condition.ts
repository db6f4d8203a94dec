/**
 * When a CheckRule holds, as a condition of an RBAC policy: proxies look at the clock themselves, so that a permission ends
 * when it should even while nobody pushes anything. Only comparisons with numbers: CEL, as Envoy has it, knows the clock on
 * a wall by its parts.
 */
import { type CheckTime, weekdays } from '../../crds/check-rule.ts';
import type { Expr } from '../../proxy/api/envoy.gen.ts';

export function buildTimeCondition({ notBefore, notAfter, ...recurring }: CheckTime): Expr {
  return joined('_&&_', [
    ...(notBefore === undefined ? [] : [compared(requestTime, '_>=_', timestamp(notBefore))]),
    ...(notAfter === undefined ? [] : [compared(requestTime, '_<_', timestamp(notAfter))]),
    ...buildRecurring(recurring),
  ]);
}

/** Over midnight a part of the time is on the days that follow. */
function buildRecurring({ days = [], from, to, timeZone = 'UTC' }: CheckTime): Expr[] {
  const dayNumbers = days.map((day) => weekdays.indexOf(day));
  const start = from === undefined ? [] : [notBeforeTime(minutesOf(from), timeZone)];
  const end = to === undefined || to === '24:00' ? [] : [beforeTime(minutesOf(to), timeZone)];
  const isOverMidnight = from !== undefined && to !== undefined && minutesOf(to) < minutesOf(from);
  if (!isOverMidnight) return [...onDays(dayNumbers, timeZone), ...start, ...end];
  const nextDays = dayNumbers.map((day) => (day + 1) % 7);
  const evening = joined('_&&_', [...onDays(dayNumbers, timeZone), ...start]);
  const morning = joined('_&&_', [...onDays(nextDays, timeZone), ...end]);
  return [end.length === 0 ? evening : joined('_||_', [evening, morning])];
}

function onDays(days: readonly number[], timeZone: string): Expr[] {
  if (days.length === 0) return [];
  return [
    joined(
      '_||_',
      days.map((day) => part('getDayOfWeek', timeZone, '_==_', day)),
    ),
  ];
}

function notBeforeTime(minutes: number, timeZone: string): Expr {
  return joined('_||_', [later(minutes, timeZone), inHour(minutes, timeZone, '_>=_')]);
}

function beforeTime(minutes: number, timeZone: string): Expr {
  return joined('_||_', [
    part('getHours', timeZone, '_<_', Math.floor(minutes / 60)),
    inHour(minutes, timeZone, '_<_'),
  ]);
}

function later(minutes: number, timeZone: string): Expr {
  return part('getHours', timeZone, '_>_', Math.floor(minutes / 60));
}

function inHour(minutes: number, timeZone: string, op: string): Expr {
  return joined('_&&_', [
    part('getHours', timeZone, '_==_', Math.floor(minutes / 60)),
    part('getMinutes', timeZone, op, minutes % 60),
  ]);
}

function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return hours * 60 + minutes;
}

const requestTime: Expr = { select_expr: { operand: { ident_expr: { name: 'request' } }, field: 'time' } };

function timestamp(text: string): Expr {
  return { call_expr: { function: 'timestamp', args: [{ const_expr: { string_value: text } }] } };
}

function part(method: string, timeZone: string, op: string, value: number): Expr {
  const args = timeZone === 'UTC' ? [] : [{ const_expr: { string_value: timeZone } }];
  const read: Expr = { call_expr: { target: requestTime, function: method, args } };
  return compared(read, op, { const_expr: { int64_value: value } });
}

function compared(left: Expr, op: string, right: Expr): Expr {
  return { call_expr: { function: op, args: [left, right] } };
}

/** CEL's operators take two operands. */
function joined(op: '_&&_' | '_||_', [first, ...rest]: readonly Expr[]): Expr {
  if (first === undefined) return { const_expr: { bool_value: true } };
  return rest.reduce((left, right) => compared(left, op, right), first);
}

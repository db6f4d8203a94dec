/**
 * Decodes the condition of an RBAC policy: of CEL (cel-spec, langdef.md) what says when a request must have come. Source:
 * Envoy docs, intro/arch_overview/advanced/attributes, `request.time`.
 */
import { parseTimestampMs } from '../common/timestamp.ts';
import { isTimeZone } from '../common/time-zone.ts';
import type { Expr } from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import type { TimeCondition, TimeField } from './rbac.ts';

export function readTimeCondition(fields: Fields<Expr>): TimeCondition {
  const { name, operands } = readCall(fields);
  const [left, right] = operands;
  if (left === undefined || right === undefined || operands.length > 2) return unsupported(fields);
  if (name === '_&&_' || name === '_||_') {
    return { kind: name === '_&&_' ? 'and' : 'or', conditions: [readTimeCondition(left), readTimeCondition(right)] };
  }
  const op = comparisons[name];
  return op === undefined ? unsupported(fields) : readComparison(left, op, right);
}

const comparisons: Readonly<Record<string, '==' | '<' | '>' | '>='>> = {
  '_==_': '==',
  '_<_': '<',
  '_>_': '>',
  '_>=_': '>=',
};
const timeFields: Readonly<Record<string, TimeField>> = {
  getDayOfWeek: 'day_of_week',
  getHours: 'hours',
  getMinutes: 'minutes',
};

function readComparison(left: Fields<Expr>, op: '==' | '<' | '>' | '>=', right: Fields<Expr>): TimeCondition {
  if (!left.has('call_expr')) {
    readRequestTime(left);
    const timeMs = readTimestamp(right);
    return op === '<' || op === '>=' ? { kind: 'time', op, timeMs } : unsupported(right);
  }
  const { name, target, operands } = readCall(left);
  const field = timeFields[name];
  if (field === undefined || target === undefined || operands.length > 1) return unsupported(left);
  readRequestTime(target);
  const timeZone = operands[0] === undefined ? 'UTC' : readText(operands[0]);
  if (!isTimeZone(timeZone)) left.failHere(`must name a time zone that there is, got ${timeZone}`);
  return { kind: 'field', field, timeZone, op, value: readNumber(right) };
}

interface Call {
  readonly name: string;
  /** Of what it is a method. */
  readonly target: Fields<Expr> | undefined;
  readonly operands: readonly Fields<Expr>[];
}

function readCall(fields: Fields<Expr>): Call {
  fields.ignore('id');
  const call = fields.required('call_expr');
  const operands = call.list('args', (operand) => operand);
  return { name: call.name('function'), target: call.message('target'), operands };
}

function readRequestTime(fields: Fields<Expr>): void {
  fields.ignore('id');
  const select = fields.required('select_expr');
  select.only('field', 'time');
  select.only('test_only', false);
  const operand = select.required('operand');
  operand.ignore('id');
  operand.required('ident_expr').only('name', 'request');
}

function readTimestamp(fields: Fields<Expr>): number {
  const { name, operands } = readCall(fields);
  const [text] = operands;
  const timeMs =
    name === 'timestamp' && text !== undefined && operands.length === 1 ? parseTimestampMs(readText(text)) : undefined;
  if (timeMs === undefined) fields.failHere('must be timestamp(TEXT) with a time such as "2026-01-31T18:00:00Z"');
  return timeMs ?? 0;
}

function readText(fields: Fields<Expr>): string {
  fields.ignore('id');
  return fields.required('const_expr').name('string_value');
}

function readNumber(fields: Fields<Expr>): number {
  fields.ignore('id');
  return fields.required('const_expr').number('int64_value', { defaultValue: 0, max: 59 });
}

function unsupported(fields: Fields<Expr>): TimeCondition {
  fields.failHere(
    'is not supported, only && and || of request.time >= or < timestamp(TEXT), and of request.time.getDayOfWeek(ZONE), ' +
      'getHours(ZONE) and getMinutes(ZONE) with == < > >= and a number',
  );
  return { kind: 'and', conditions: [] };
}

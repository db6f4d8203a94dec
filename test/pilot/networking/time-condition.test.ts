/** When a rule holds: as pilot says it in CEL, and as the proxy that gets it by the wire understands it. */
import { describe, expect, test } from 'vitest';
import type { CheckTime } from '../../../crds/check-rule.ts';
import { buildTimeCondition } from '../../../pilot/networking/time-condition.ts';
import { decodeFields } from '../../../proxy/api/fields.ts';
import { decode, encode } from '../../../proxy/api/protojson.ts';
import { readRbac } from '../../../proxy/api/rbac-decoder.ts';
import type { Expr } from '../../../proxy/api/envoy.gen.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { compileTimeCondition, type TimePredicate } from '../../../proxy/filter/time-conditions.ts';

const rbacName = 'envoy.extensions.filters.http.rbac.v3.RBAC';

function decodeCondition(condition: Expr): ReturnType<typeof decodeFields<object, ReturnType<typeof readRbac>>> {
  const policy = { permissions: [{ any: true }], principals: [{ any: true }], condition };
  const bytes = encode(rbacName, { rules: { policies: { a: policy } } });
  return decodeFields(requireValue(decode(rbacName, bytes), 'bytes'), '', readRbac);
}

function predicateOf(time: CheckTime): TimePredicate {
  const { rules } = requireValue(decodeCondition(buildTimeCondition(time)), 'condition');
  const condition = rules?.policies[0]?.condition;
  if (condition === undefined) throw new Error('there is a condition');
  return compileTimeCondition(condition);
}

/** 2026-07-06 was a Monday. Moments with the answers that are expected. */
const cases: [string, CheckTime, Record<string, boolean>][] = [
  [
    'from one moment to another',
    { notBefore: '2026-07-06T10:00:00+02:00', notAfter: '2026-07-06T09:00:00.500Z' },
    {
      '2026-07-06T07:59:59.999Z': false,
      '2026-07-06T08:00:00.000Z': true,
      '2026-07-06T09:00:00.499Z': true,
      '2026-07-06T09:00:00.500Z': false,
    },
  ],
  [
    'from one time of the day to another',
    { from: '09:30', to: '17:00' },
    {
      '2026-07-06T09:29:59Z': false,
      '2026-07-06T09:30:00Z': true,
      '2026-07-06T10:10:00Z': true,
      '2026-07-06T16:59:59Z': true,
      '2026-07-06T17:00:00Z': false,
    },
  ],
  [
    'from midnight on',
    { from: '00:00', to: '00:30' },
    {
      '2026-07-06T00:00:00Z': true,
      '2026-07-06T00:29:00Z': true,
      '2026-07-06T00:30:00Z': false,
      '2026-07-05T23:59:00Z': false,
    },
  ],
  [
    'to the end of the day',
    { from: '22:15', to: '24:00' },
    { '2026-07-06T22:14:00Z': false, '2026-07-06T23:59:59Z': true, '2026-07-07T00:00:00Z': false },
  ],
  [
    'on days of the week in a time zone',
    { days: ['MON', 'WED'], timeZone: 'Europe/Berlin' },
    {
      '2026-07-05T21:59:00Z': false,
      '2026-07-05T22:00:00Z': true,
      '2026-07-06T21:59:00Z': true,
      '2026-07-06T22:00:00Z': false,
      '2026-07-08T12:00:00Z': true,
    },
  ],
  [
    'over midnight, on days at whose evening it begins',
    { days: ['SAT'], from: '22:00', to: '06:30', timeZone: 'America/New_York' },
    {
      '2026-07-11T10:00:00Z': false, // Saturday 06:00
      '2026-07-12T02:00:00Z': true, // Saturday 22:00
      '2026-07-12T10:29:00Z': true, // Sunday 06:29
      '2026-07-12T10:30:00Z': false,
      '2026-07-13T02:00:00Z': false, // Sunday 22:00
    },
  ],
  [
    'by the clock on the wall, in summer and in winter',
    { from: '09:00', to: '10:00', timeZone: 'Europe/Berlin' },
    {
      '2026-07-06T07:00:00Z': true,
      '2026-07-06T08:00:00Z': false,
      '2026-12-07T07:00:00Z': false,
      '2026-12-07T08:00:00Z': true,
    },
  ],
  [
    'in a zone of quarters',
    { from: '12:00', to: '12:01', timeZone: 'Asia/Kathmandu' },
    { '2026-07-06T06:15:00Z': true, '2026-07-06T06:16:00Z': false },
  ],
];

describe('a rule holds', () => {
  test.each(cases)('%s', (_, time, answers) => {
    const holds = predicateOf(time);
    expect(Object.fromEntries(Object.keys(answers).map((moment) => [moment, holds(Date.parse(moment))]))).toEqual(
      answers,
    );
  });

  test('again and again by the same clock, which follows its zone over a change to summer time', () => {
    const holds = predicateOf({ from: '03:00', to: '03:15', timeZone: 'Europe/Berlin' });
    const start = Date.parse('2026-03-29T00:00:00Z');
    const minutes = Array.from({ length: 24 * 60 }, (_, i) => i).filter((i) => holds(start + i * 60_000));
    // At 01:00 UTC the clock goes from 02:00 to 03:00.
    expect([minutes[0], minutes.at(-1), minutes.length]).toEqual([60, 74, 15]);
  });
});

const time: Expr = { select_expr: { operand: { ident_expr: { name: 'request' } }, field: 'time' } };
const call = (name: string, args: Expr[], target?: Expr): Expr => ({
  call_expr: { function: name, args, ...(target === undefined ? {} : { target }) },
});
const text = (string_value: string): Expr => ({ const_expr: { string_value } });
const number = (int64_value: number): Expr => ({ const_expr: { int64_value } });

describe('a condition of another control plane', () => {
  test.each<[string, Expr, string]>([
    ['that is no comparison', { const_expr: { bool_value: true } }, 'call_expr: must be set'],
    [
      'of another attribute',
      call('_<_', [
        { select_expr: { operand: { ident_expr: { name: 'response' } }, field: 'time' } },
        call('timestamp', [text('2026-01-01T00:00:00Z')]),
      ]),
      '"response" is not supported',
    ],
    [
      'of a size',
      call('_<_', [
        { select_expr: { operand: { ident_expr: { name: 'request' } }, field: 'size' } },
        call('timestamp', [text('2026-01-01T00:00:00Z')]),
      ]),
      '"size" is not supported',
    ],
    [
      'with another operator',
      call('_!=_', [time, call('timestamp', [text('2026-01-01T00:00:00Z')])]),
      'is not supported, only && and ||',
    ],
    [
      'that wants one moment',
      call('_==_', [time, call('timestamp', [text('2026-01-01T00:00:00Z')])]),
      'is not supported',
    ],
    [
      'with a moment that is none',
      call('_<_', [time, call('timestamp', [text('yesterday')])]),
      'must be timestamp(TEXT)',
    ],
    [
      'with a zone that there is not',
      call('_<_', [call('getHours', [text('Mars/Olympus')], time), number(3)]),
      'must name a time zone',
    ],
    ['of the month', call('_==_', [call('getMonth', [], time), number(3)]), 'is not supported'],
    [
      'with a negation',
      call('!_', [call('_<_', [time, call('timestamp', [text('2026-01-01T00:00:00Z')])])]),
      'is not supported',
    ],
  ])('%s is refused', (_, condition, fault) => {
    const { errors = [] } = decodeCondition(condition);
    expect(
      errors.some(
        ({ path, message }) => path.startsWith('rules.policies.a.condition') && `${path}: ${message}`.includes(fault),
      ),
    ).toBe(true);
  });

  test('may leave out the zone, which is UTC', () => {
    const { value } = decodeCondition(call('_>_', [call('getMinutes', [], time), number(0)]));
    expect(value?.rules?.policies[0]?.condition).toEqual({
      kind: 'field',
      field: 'minutes',
      timeZone: 'UTC',
      op: '>',
      value: 0,
    });
  });
});

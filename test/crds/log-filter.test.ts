import { describe, expect, test } from 'vitest';
import { type LogFilter, parseLogFilter } from '../../crds/log-filter.ts';

const code = (op: '==' | '!=' | '<' | '<=' | '>' | '>=', value: number): LogFilter => ({ kind: 'code', op, value });
const text = (header: string, value: string, given: Partial<LogFilter & { kind: 'text' }> = {}): LogFilter => ({
  kind: 'text',
  header,
  test: 'exact',
  value,
  isNegated: false,
  ...given,
});

const filterOf = (expression: string): LogFilter | string => {
  const { filter, fault } = parseLogFilter(expression);
  return filter ?? fault;
};

describe('the expression of a log filter', () => {
  test.each<[expression: string, filter: LogFilter]>([
    ['response.code == 200', code('==', 200)],
    ['response.code!=200', code('!=', 200)],
    ['  response.code\n<\t200 ', code('<', 200)],
    ['response.code <= 0', code('<=', 0)],
    ["request.method == 'GET'", text(':method', 'GET')],
    ['request.path != "/x"', text(':path', '/x', { isNegated: true })],
    ["request.host.endsWith('.com')", text(':authority', '.com', { test: 'suffix' })],
    ["request.useragent.contains('bot')", text('user-agent', 'bot', { test: 'contains' })],
    ["request.headers['X-A'] == ''", text('x-a', '')],
    ["request.headers[':path'].startsWith('/x')", text(':path', '/x', { test: 'prefix' })],
    ["'X-A' in request.headers", { kind: 'present', header: 'x-a', isNegated: false }],
    ['response.flags != 0', { kind: 'flagged' }],
    ["request.duration >= duration('1.5s')", { kind: 'duration', op: '>=', valueMs: 1_500 }],
    ["request.duration < duration('20ms')", { kind: 'duration', op: '<', valueMs: 20 }],
    ["!(request.duration < duration('20ms'))", { kind: 'duration', op: '>=', valueMs: 20 }],
    ["!(request.duration >= duration('20ms'))", { kind: 'duration', op: '<', valueMs: 20 }],
    ["request.path == 'a\\'b\\\\'", text(':path', "a'b\\")],
    ["request.path == '&& || ('", text(':path', '&& || (')],
  ])('tests one attribute: %s', (expression, filter) => {
    expect(filterOf(expression)).toEqual(filter);
  });

  test('binds && before ||, and parentheses before both', () => {
    const [a, b, c] = [code('>', 1), code('>', 2), code('>', 3)];
    const names = { a: 'response.code > 1', b: 'response.code > 2', c: 'response.code > 3' };
    expect(filterOf(`${names.a} || ${names.b} && ${names.c}`)).toEqual({
      kind: 'or',
      filters: [a, { kind: 'and', filters: [b, c] }],
    });
    expect(filterOf(`(${names.a} || ${names.b}) && ${names.c}`)).toEqual({
      kind: 'and',
      filters: [{ kind: 'or', filters: [a, b] }, c],
    });
    expect(filterOf(`${names.a} && ${names.b} && ${names.c}`)).toEqual({ kind: 'and', filters: [a, b, c] });
  });

  test('pushes a negation down to the tests, by De Morgan', () => {
    expect(filterOf("!(response.code < 400 && !('x' in request.headers))")).toEqual({
      kind: 'or',
      filters: [code('>=', 400), { kind: 'present', header: 'x', isNegated: false }],
    });
    expect(filterOf("!(request.path == '/x' || response.flags == 0)")).toEqual({
      kind: 'and',
      filters: [text(':path', '/x', { isNegated: true }), { kind: 'flagged' }],
    });
    expect(filterOf("!!(request.path == '/x')")).toEqual(text(':path', '/x'));
    expect(filterOf("!request.path.startsWith('/x')")).toEqual(
      text(':path', '/x', { test: 'prefix', isNegated: true }),
    );
  });

  test.each([
    ['==', '!='],
    ['<', '>='],
    ['>', '<='],
  ] as const)('knows %s and %s as the negation of each other', (one, other) => {
    expect(filterOf(`!(response.code ${one} 400)`)).toEqual(code(other, 400));
    expect(filterOf(`!(response.code ${other} 400)`)).toEqual(code(one, 400));
  });

  test.each([
    ['', 'expected an attribute, got the end at character 1'],
    ['response.code', 'expected == != < <= > >=, got the end at character 14'],
    ['response.code = 400', 'expected == != < <= > >=, got "= 400" at character 15'],
    ["response.code == '400'", 'expected a number, got "400" at character 18'],
    ['response.code == 4.5', 'expected a number, got "4.5" at character 18'],
    ['response.code == 1000', 'expected a status code that there can be, got "1000" at character 18'],
    ['response.code < 0', 'expected a status code that there can be, got "0" at character 17'],
    ['!(response.code >= 0)', 'expected a status code that there can be, got "0" at character 20'],
    ["request.duration > duration('1s')", 'expected >= <, got ">" at character 18'],
    ["request.duration >= '1s'", 'expected duration, got "1s" at character 21'],
    ["request.duration >= time('1s')", 'expected duration, got "time" at character 21'],
    ["request.duration >= duration('soon')", 'expected whole milliseconds such as 1.5s, got "soon" at character 30'],
    ["request.duration >= duration('1.5ms')", 'expected whole milliseconds such as 1.5s, got "1.5ms" at character 30'],
    ['400 <= response.code', 'expected an attribute, got "400" at character 1'],
    ['response.code == 200 response.code', 'expected &&, || or the end, got "response" at character 22'],
    ['response.code == 200 &&', 'expected an attribute, got the end at character 24'],
    ['(response.code == 200', 'expected ), got the end at character 22'],
    ['!response.code == 200', 'expected parentheses around what ! negates, got "response" at character 2'],
    ['response.cod == 200', 'does not support this attribute (did you mean "response.code"?), got "response.cod"'],
    ['connection.mtls', 'does not support this attribute, got "connection.mtls" at character 1'],
    ["request.path.matches('x')", 'does not support this attribute, got "request.path.matches"'],
    ["request.path.startsWith('')", 'expected a text that is not empty, got "" at character 25'],
    ["request.path < '/x'", 'expected == !=, got "<" at character 14'],
    ["request.path == 'x", `expected a text in quotes, got "'x" at character 17`],
    ["request.path == 'x\\n'", 'expected a text in quotes, got'],
    ["request.headers['a b'] == 'x'", 'expected the name of a header, got "a b" at character 17'],
    ["request.headers == 'x'", 'expected [, got "==" at character 17'],
    ["'x' in response.headers", 'expected request.headers, got "response" at character 8'],
    ['response.flags == 0', 'does not support requests without flags, got "==" at character 16'],
    ['!(response.flags != 0)', 'does not support requests without flags, got "!=" at character 18'],
    ['response.flags != 4', 'expected 0: flags are not told apart, got "4" at character 19'],
    ['has(request.path)', 'does not support this attribute, got "has" at character 1'],
    ['('.repeat(100_000), 'expected at most 50 ! and parentheses in each other'],
    ['!'.repeat(100_000), 'expected at most 50 ! and parentheses in each other'],
  ])('is refused with the place of its fault and what is supported: %.40s', (expression, fault) => {
    expect(filterOf(expression)).toContain(fault);
    expect(filterOf(expression)).toMatch(/; supported are response\.code with a number, .* and parentheses$/);
  });
});

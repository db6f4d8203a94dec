import { describe, expect, test } from 'vitest';
import { formatTables } from '../../../../pilot/cli/capture/backend/iptables.ts';
import type { Chain, Rule } from '../../../../pilot/cli/capture/rules.ts';

const chainOf = (...rules: readonly Omit<Rule, 'comment'>[]): Chain => ({
  name: 'dns-zones-in',
  table: 'raw',
  hook: 'prerouting',
  rules: rules.map((rule) => ({ comment: 'why', ...rule })),
});

const saved = `*nat
:PREROUTING ACCEPT [0:0]
:HEDDLE_INBOUND - [0:0]
:THEIRS - [0:0]
-A PREROUTING -j THEIRS
-A PREROUTING -i eth0 -j HEDDLE_INBOUND
-A PREROUTING -j HEDDLE_INBOUND
-A HEDDLE_INBOUND -p tcp -j REDIRECT --to-ports 15006
COMMIT
`;

describe('rules for iptables', () => {
  test('combine the values of their conditions, for a condition has one there', () => {
    const rules = [
      { field: 'meta skuid', values: [7, 8] },
      { field: 'udp dport', values: [53, 54] },
    ];
    const text = formatTables([chainOf({ conditions: rules, statement: { kind: 'return' } })], 'ip', '');
    expect(text.match(/--uid-owner \d+ --dport \d+/g)).toEqual([
      '--uid-owner 7 --dport 53',
      '--uid-owner 7 --dport 54',
      '--uid-owner 8 --dport 53',
      '--uid-owner 8 --dport 54',
    ]);
  });

  test('stand with the program of their family only', () => {
    const conditions = [{ field: 'ip6 daddr', values: ['2001:db8::/32'] }];
    const chain = chainOf({ conditions, statement: { kind: 'return' } });
    expect(formatTables([chain], 'ip', '')).not.toContain('RETURN');
    expect(formatTables([chain], 'ip6', '')).toContain('-d 2001:db8::/32');
  });

  test('end the chain after a target that would let it go on', () => {
    const text = formatTables([chainOf({ conditions: [], statement: { kind: 'set zone', zone: 2 } })], 'ip', '');
    expect(text.match(/-j (?:CT --zone 2|RETURN)$/gm)).toEqual(['-j CT --zone 2', '-j RETURN']);
  });

  test('take the place of those of an earlier run, and of no others', () => {
    expect(formatTables([], 'ip', saved)).toBe(
      '*nat\n-D PREROUTING -i eth0 -j HEDDLE_INBOUND\n-D PREROUTING -j HEDDLE_INBOUND\n' +
        '-F HEDDLE_INBOUND\n-X HEDDLE_INBOUND\nCOMMIT\n',
    );
    expect(formatTables([], 'ip', saved.replaceAll('HEDDLE', 'OTHERS'))).toBe('');
  });
});

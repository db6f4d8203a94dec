import { BlockList, isIPv6 } from 'node:net';
import { describe, expect, test } from 'vitest';
import { AddressSet } from '../../../proxy/filter/address-set.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const setOf = (...blocks: string[]): AddressSet =>
  new AddressSet(
    blocks.map((block) => {
      const [address = '', length = isIPv6(address) ? '128' : '32'] = block.split('/');
      return { address, prefixLength: Number(length) };
    }),
  );

describe('a set of addresses', () => {
  test.each<[string, string[], Record<string, boolean>]>([
    [
      'has whole addresses',
      ['10.0.0.1', '255.255.255.255'],
      { '10.0.0.1:80': true, '10.0.0.2:80': false, '255.255.255.255:1': true, '10.0.0.11:80': false },
    ],
    [
      'has ranges, whatever bits stand behind their length',
      ['10.1.2.3/8', '192.168.0.0/17'],
      { '10.255.0.1:80': true, '11.0.0.1:80': false, '192.168.127.1:1': true, '192.168.128.1:1': false },
    ],
    ['of length 0 has all of its family', ['0.0.0.0/0'], { '203.0.113.7:1': true, '[2001:db8::1]:1': false }],
    ['of one half has it', ['128.0.0.0/1'], { '127.0.0.1:1': false, '128.0.0.0:1': true, '255.0.0.1:1': true }],
    [
      'of IPv6 has addresses with a port behind them, in brackets or not',
      ['2001:db8::/32', '::1'],
      { '[2001:db8::7]:80': true, '2001:db8::7:80': true, '[2001:db9::7]:80': false, '[::1]:5': true, '::1:5': true },
    ],
    [
      'of IPv4 has what a socket of both families shows',
      ['127.0.0.0/8'],
      { '[::ffff:127.0.0.1]:80': true, '::ffff:127.0.0.1:80': true, '::ffff:128.0.0.1:80': false },
    ],
    [
      'has nothing that is no address',
      ['0.0.0.0/0', '::/0'],
      {
        '': false,
        ':80': false,
        '10.0.0:80': false,
        '10.0.0.256:80': false,
        '1.2.3.4.5:80': false,
        '1.2.3.x:80': false,
        'a:80': false,
      },
    ],
    ['without addresses has none', [], { '10.0.0.1:80': false, '[::1]:80': false }],
  ])('%s', (_, blocks, answers) => {
    const set = setOf(...blocks);
    // Twice: what was asked last is remembered.
    const asked = Object.keys(answers).map((endpoint) => [endpoint, set.has(endpoint) && set.has(endpoint)]);
    expect(Object.fromEntries(asked)).toEqual(answers);
  });

  test('is asked for addresses without a port too', () => {
    const set = setOf('10.0.0.0/8', 'fd00::/8');
    expect(
      ['10.0.0.1', 'fd00::1', '11.0.0.1', 'fe80::1', '', '::ffff:10.0.0.1'].map((one) => set.hasAddress(one)),
    ).toEqual([true, true, false, false, false, true]);
    expect(set.has(undefined)).toBe(false);
  });

  test("has what Node's own list has", () => {
    const random = seededRandom(7);
    const byte = (): number => Math.floor(random() * 256);
    const address = (): string => `${byte() % 4}.${byte() % 3}.${byte()}.${byte()}`;
    const list = new BlockList();
    const blocks = Array.from({ length: 200 }, () => {
      const [base, length] = [address(), 8 + Math.floor(random() * 25)];
      list.addSubnet(base, length, 'ipv4');
      return `${base}/${length}`;
    });
    const set = setOf(...blocks);
    for (let i = 0; i < 2_000; i++) {
      const asked = address();
      expect([asked, set.hasAddress(asked)]).toEqual([asked, list.check(asked, 'ipv4')]);
    }
  });
});

import { describe, expect, test } from 'vitest';
import * as parse from '../../../pilot/cli/option-parsers.ts';

describe('option values', () => {
  test('a port is a whole number from 1 to 65535; a listening port may be 0', () => {
    expect([parse.parsePort('1'), parse.parsePort('65535'), parse.parseListenPort('0')]).toEqual([1, 65_535, 0]);
    for (const text of ['0', '65536', '-1', '80a', '', '8.5', '1e3', ' 80'])
      expect(() => parse.parsePort(text), text).toThrow(/1 to 65535|0 to 65535/);
  });

  test('HOST:PORT takes names, IPv4 and bracketed IPv6', () => {
    expect(parse.parseHostPort('pilot.example:15010')).toEqual({ host: 'pilot.example', port: 15_010 });
    expect(parse.parseHostPort('[::1]:80')).toEqual({ host: '::1', port: 80 });
    for (const text of ['pilot', ':80', '::1:80', 'a:b', 'a:70000', 'a:80/x'])
      expect(() => parse.parseHostPort(text), text).toThrow(/expected/);
  });

  test('labels are k=v pairs', () => {
    expect(parse.parseLabels('app=web,tier=a.b-c,empty=')).toEqual({ app: 'web', tier: 'a.b-c', empty: '' });
    expect(() => parse.parseLabels('app')).toThrow('"app" is no label; k=v,k=v is expected.');
    expect(() => parse.parseLabels('app=web,')).toThrow('"" is no label');
  });

  test('a locality has up to three parts', () => {
    expect(parse.parseLocality('r1/z1/s1')).toEqual({ region: 'r1', zone: 'z1', subZone: 's1' });
    expect(parse.parseLocality('eu-west.1')).toEqual({ region: 'eu-west.1', zone: '', subZone: '' });
    for (const text of ['', '/z', 'r/', 'r//s', 'r/z/s/x', 'r z', '*'])
      expect(() => parse.parseLocality(text), text).toThrow('REGION/ZONE/SUBZONE is expected');
  });

  test('seconds become milliseconds', () => {
    expect([parse.parseSeconds('5'), parse.parseSeconds('0.25')]).toEqual([5000, 250]);
    for (const text of ['-1', '5s', '']) expect(() => parse.parseSeconds(text), text).toThrow(/seconds/);
  });

  test('nobody is pinged without a pause, or less than once a day', () => {
    expect([parse.parseKeepalive('0.001'), parse.parseKeepalive('86400')]).toEqual([1, 86_400_000]);
    for (const text of ['0', '0.0009', '86401', '-1', '3s'])
      expect(() => parse.parseKeepalive(text), text).toThrow(/seconds/i);
  });

  test('names are DNS labels, label values are not', () => {
    expect(parse.parseName('reviews-2')).toBe('reviews-2');
    for (const text of ['Reviews', '-a', 'a-', 'a.b', '', 'a'.repeat(64)])
      expect(() => parse.parseName(text), text).toThrow();
    expect(parse.parseLabelValue('v1.2_rc')).toBe('v1.2_rc');
    expect(() => parse.parseLabelValue('v1/2')).toThrow();
  });

  test('an address is a literal IP address', () => {
    expect([parse.parseAddress('10.0.0.1'), parse.parseAddress('::1')]).toEqual(['10.0.0.1', '::1']);
    expect(() => parse.parseAddress('localhost')).toThrow('An IP address is expected.');
  });

  test("the server's address loses its trailing slash and must be HTTP", () => {
    expect(parse.parseServer('http://127.0.0.1:15080/')).toBe('http://127.0.0.1:15080');
    for (const text of ['127.0.0.1:15080', 'ftp://a', '']) expect(() => parse.parseServer(text), text).toThrow(/URL/);
  });
});

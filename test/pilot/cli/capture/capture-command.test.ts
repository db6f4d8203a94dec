import { describe, expect, test } from 'vitest';
import { runCommand } from '../../../support/command.ts';

const dryRun = async (...args: string[]) => runCommand({ args: ['capture', '--dry-run', ...args] });

describe('heddle capture --dry-run', () => {
  test('prints one table that replaces that of an earlier call, and changes nothing', async () => {
    const { code, stdout, stderr } = await dryRun();
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.match(/^\w+ table .*$|^table .*$/gm)).toEqual([
      'table inet heddle {}',
      'delete table inet heddle',
      'table inet heddle {',
    ]);
    expect(stdout).toContain('redirect to :15001');
    expect(stdout).toContain('redirect to :15006');
    expect(stdout).not.toContain('15053');
  });

  test('shows what every flag does', async () => {
    const flags =
      '--exclude-inbound-ports 22,23 --exclude-interfaces eth1 --proxy-uid 7,8 --proxy-gid 9 ' +
      '--include-outbound-ip-ranges 10.0.0.0/8 --exclude-outbound-ip-ranges 2001:db8::/32 ' +
      '--include-outbound-ports 5432 --exclude-outbound-ports 25 --redirect-dns --dns-port 5353 ' +
      '--inbound-port 16 --outbound-port 11';
    const { stdout } = await dryRun(...flags.split(' '));
    for (const rule of [
      'tcp dport { 15020, 15021, 15090, 22, 23 } return',
      'iifname "eth1" return',
      'oifname "eth1" return',
      'meta skuid { 7, 8 } return',
      'meta skgid 9 return',
      'ip daddr 10.0.0.0/8 meta l4proto tcp redirect to :11',
      'ip6 daddr 2001:db8::/32 return',
      'tcp dport 5432 redirect to :11',
      'tcp dport 25 return',
      'udp dport 53 redirect to :5353',
      'meta l4proto tcp redirect to :16',
    ]) {
      expect(stdout).toContain(`    ${rule} comment `);
    }
  });

  test('shows the routes that TPROXY needs as comments, so that the rest is a script for nft', async () => {
    const { stdout } = await dryRun('--interception-mode', 'TPROXY');
    expect(stdout).toMatch(/^# ip -4 rule add fwmark 1337 lookup 133 /m);
    expect(stdout).toMatch(/^# ip -4 route replace local default dev lo table 133 /m);
    expect(stdout).toContain('tproxy ip to :15006');
    expect((await dryRun('--interception-mode', 'TPROXY', '--include-inbound-ports', '')).stdout).not.toContain(
      'fwmark',
    );
  });

  test('--backend iptables prints the same rules for both of its programs', async () => {
    const { code, stdout } = await dryRun(
      '--backend',
      'iptables',
      '--proxy-uid',
      '7,8',
      '--exclude-outbound-ports',
      '25',
    );
    expect(code).toBe(0);
    const [, ipv4 = '', ipv6 = ''] = stdout.split(/^# ip6?tables-restore --noflush\n/m);
    for (const rules of [ipv4, ipv6]) {
      expect(rules).toMatch(/^-A HEDDLE_OUTBOUND -p tcp --dport 25 .* -j RETURN$/m);
      expect(rules).toMatch(/^-A HEDDLE_OUTBOUND -m owner --uid-owner 7 .* -j RETURN\n.* --uid-owner 8 .* -j RETURN$/m);
      expect(rules).toMatch(/^-A HEDDLE_INBOUND -p tcp .* -j REDIRECT --to-ports 15006$/m);
    }
    expect(ipv4).toMatch(/ -d 127\.0\.0\.1 .* -j RETURN$/m);
    expect(ipv4).not.toContain('::1');
    expect(ipv6).toMatch(/ -d ::1 .* -j RETURN$/m);
  });

  test('--undo shows what is removed', async () => {
    const { stdout } = await dryRun('--undo');
    expect(stdout.replace(/^# .*\n/gm, '')).toBe('table inet heddle {}\ndelete table inet heddle\n');
    expect(stdout).toContain('# ip -4 rule flush protocol 133\n');
  });
});

describe('heddle capture refuses', () => {
  test.each([
    ['--include-inbound-ports', '80,http', '"http" is no port'],
    ['--include-inbound-ports', '*,80', '"*" is no port'],
    ['--exclude-inbound-ports', '0', '"0" is no port'],
    ['--exclude-inbound-ports', '*', '"*" is no port'],
    ['--include-outbound-ports', '80,', '"" is no port'],
    ['--exclude-outbound-ports', '65536', '"65536" is no port'],
    ['--include-outbound-ip-ranges', '10.0.0.1', '"10.0.0.1" is no address range'],
    ['--include-outbound-ip-ranges', '10.0.0.0/33', '"10.0.0.0/33" is no address range'],
    ['--include-outbound-ip-ranges', '10.0.0.0/8,*', '"*" is no address range'],
    ['--exclude-outbound-ip-ranges', '*', '"*" is no address range'],
    ['--exclude-outbound-ip-ranges', '2001:db8::/129', '"2001:db8::/129" is no address range'],
    ['--exclude-outbound-ip-ranges', 'fe80::1%eth0/64', '"fe80::1%eth0/64" is no address range'],
    ['--exclude-interfaces', 'eth0"; flush ruleset', 'is no interface'],
    ['--exclude-interfaces', 'eth*', '"eth*" is no interface'],
    ['--exclude-interfaces', 'sixteen-letters-', '"sixteen-letters-" is no interface'],
    ['--proxy-uid', '', 'One or more numbers'],
    ['--proxy-uid', 'proxy', 'One or more numbers'],
    ['--proxy-gid', '4294967295', 'One or more numbers'],
    ['--inbound-port', '0', '1 to 65535'],
    ['--outbound-port', 'x', '1 to 65535'],
    ['--dns-port', '-1', '1 to 65535'],
    ['--interception-mode', 'NONE', 'REDIRECT, TPROXY'],
    ['--backend', 'ebtables', 'nftables, iptables'],
  ])('%s %j with the flag, what came and what was expected', async (flag, value, message) => {
    const { code, stdout, stderr } = await dryRun(`${flag}=${value}`);
    expect([code, stdout]).toEqual([2, '']);
    for (const words of [flag, `'${value}'`, message, /expected|Allowed/]) expect(stderr).toMatch(words);
  });

  test.each([
    [['--inbound-port', '15001'], '--inbound-port and --outbound-port must differ, both are 15001'],
    [['--redirect-dns', '--dns-port', '15006'], '--dns-port must differ'],
    [['--dns-port', '53'], '--dns-port has no meaning without --redirect-dns'],
    [['--include-inbound-ports', '80', '--exclude-inbound-ports', '80'], 'port 80 stands in both'],
    [['--include-outbound-ports', '80', '--exclude-outbound-ports', '80'], 'port 80 stands in both'],
    [['--undo', '--backend', 'iptables'], '--undo removes everything; --backend has no meaning beside it'],
    [['--undo', '--proxy-uid', '7'], '--undo removes everything; --proxy-uid has no meaning beside it'],
  ])('flags that contradict each other: %j', async (args, message) => {
    const { code, stdout, stderr } = await dryRun(...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });
});

test('blanks in lists and empty lists are fine, as in annotations', async () => {
  const { code, stdout } = await dryRun('--exclude-inbound-ports', ' 22 , 23 ', '--include-outbound-ip-ranges', '');
  expect(code).toBe(0);
  expect(stdout).toContain('15090, 22, 23 }');
  expect(stdout).not.toContain('redirect to :15001');
});

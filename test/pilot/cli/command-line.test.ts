import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { runCommand } from '../../support/command.ts';
import { compiled } from '../../support/mesh.ts';

const verbs = ['up', 'run', 'gateway', 'proxy', 'capture', 'apply', 'get', 'delete', 'proxy-status'];

describe('the heddle command', () => {
  test('--help lists every verb and the exit codes', async () => {
    const { code, stdout, stderr } = await runCommand({ args: ['--help'] });
    expect([code, stderr]).toEqual([0, '']);
    for (const verb of verbs) expect(stdout).toMatch(new RegExp(`^  ${verb}[ |]`, 'm'));
    expect(stdout).toMatch(/Exit codes:\n {2}0 /);
  });

  test('--version is that of the package, from the sources and as it is installed', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string };
    expect(await runCommand({ args: ['--version'] })).toMatchObject({
      code: 0,
      stdout: `heddle ${version}\n`,
      stderr: '',
    });
    const installed = spawnSync(process.execPath, [compiled('pilot/cli/main.js'), '--version'], {
      encoding: 'utf8',
      cwd: '/',
    });
    expect([installed.status, installed.stdout]).toEqual([0, `heddle ${version}\n`]);
  });

  test('--version of run is that of the application', async () => {
    const { code, stderr } = await runCommand({ args: ['run', '--service', 'a', '--version'] });
    expect([code, stderr]).toEqual([2, expect.stringContaining("option '--version <version>' argument missing")]);
  });

  test.each(verbs)('%s --help shows the options and examples', async (verb) => {
    const { code, stdout } = await runCommand({ args: [verb, '--help'] });
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: heddle ${verb}`);
    expect(stdout).toContain('Examples:');
  });

  test.each([
    ['an unknown verb', ['fly'], /unknown command 'fly'/],
    ['an unknown option', ['get', 'vs', '--fast'], /unknown option '--fast'/],
    ['a missing argument', ['get'], /missing required argument 'kind'/],
    ['a missing option', ['apply'], /required option '-f, --filename <path>' not specified/],
    ['a port offset that leaves no port', ['gateway', '--name', 'a', '--port-offset', '64512'], /from 0 to 64511/],
    ['a gateway without a name', ['gateway'], /--name/],
    ['a bad port', ['run', '--service', 'a', '--port', '70000', '--', 'true'], /65535 is expected/],
    [
      'a further port of an application that is not intercepted',
      ['run', '--service', 'a', '--app-port', '80', '--', 'true'],
      /--app-port needs --interception-mode REDIRECT or TPROXY/,
    ],
    [
      'a protocol that no application speaks',
      ['run', '--service', 'a', '--port', '80', '--protocol', 'smtp', '--', 'true'],
      /Allowed choices are http, http2, grpc/,
    ],
    [
      'the protocol of an application that serves nobody',
      ['run', '--service', 'a', '--protocol', 'grpc', '--', 'true'],
      /--protocol needs --port/,
    ],
    [
      'an unknown way of interception',
      ['run', '--service', 'a', '--interception-mode', 'magic', '--', 'true'],
      /Allowed choices are NONE, REDIRECT, TPROXY/,
    ],
    [
      'a port for DNS that is not captured',
      ['run', '--service', 'a', '--dns-port', '53', '--', 'true'],
      /--dns-port needs --dns-capture/,
    ],
    ['a port for TLS without certificates', ['up', '--xds-tls-port', '1'], /--xds-tls-port needs --xds-tls-dir/],
    ['a bad server', ['get', 'vs', '--server', 'nowhere'], /A URL is expected/],
    ['an unknown kind', ['get', 'pods'], /no kind "pods"/],
    ['neither name nor file', ['delete'], /either KIND NAME or -f FILE/],
    ['a kind without a name', ['delete', 'vs'], /name of a VirtualService is expected/],
  ])('%s is a usage error: exit 2, one message on stderr', async (_, args, message) => {
    const { code, stdout, stderr } = await runCommand({ args });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });

  test('no verb at all shows the help, exit 2', async () => {
    const { code, stderr } = await runCommand({ args: [] });
    expect(code).toBe(2);
    expect(stderr).toContain('Usage: heddle');
  });

  test.each([['get', 'vs'], ['proxy-status'], ['delete', 'vs', 'a']])(
    '%s %s without a server: exit 3',
    async (...args) => {
      const { code, stderr } = await runCommand({ args, env: { HEDDLE_SERVER: 'http://127.0.0.1:1' } });
      expect(code).toBe(3);
      expect(stderr).toContain('http://127.0.0.1:1 cannot be reached');
    },
  );

  test('--server wins over HEDDLE_SERVER', async () => {
    const env = { HEDDLE_SERVER: 'http://127.0.0.1:1' };
    const { stderr } = await runCommand({ args: ['get', 'vs', '--server', 'http://127.0.0.1:2/'], env });
    expect(stderr).toContain('http://127.0.0.1:2 cannot');
  });

  test('a HEDDLE_SERVER that is no URL is a usage error', async () => {
    const { code, stderr } = await runCommand({ args: ['get', 'vs'], env: { HEDDLE_SERVER: 'x' } });
    expect(code).toBe(2);
    expect(stderr).toContain('HEDDLE_SERVER');
  });

  test('certificates for pilot that are not there are refused before anything is started', async () => {
    const args = ['gateway', '--name', 'a', '--pilot-tls-dir', '/no/such'];
    expect(await runCommand({ args })).toMatchObject({ code: 1, stderr: 'heddle: /no/such/tls.crt: no such file\n' });
  });

  test('a file that is not there is refused before the server is asked', async () => {
    const { code, stderr } = await runCommand({
      args: ['apply', '-f', '/no/such.yaml', '--server', 'http://127.0.0.1:1'],
    });
    expect([code, stderr]).toEqual([1, 'heddle: /no/such.yaml: no such file or directory\n']);
  });

  test('broken YAML is refused with its line before the server is asked', async () => {
    const { code, stderr } = await runCommand({ args: ['apply', '-f', '-'], stdin: 'a: [\nb: }\n' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/nothing was stored\nstdin:\d: /);
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Child } from '../../examples/ftgo-canary/child.ts';
import { compiled, Mesh } from '../support/mesh.ts';

const heddle = compiled('pilot/cli/main.js');
const script = (code: string): string[] => [process.execPath, '-e', code];

describe('B9: heddle run', () => {
  let mesh: Mesh;

  beforeAll(async () => {
    mesh = await Mesh.create();
    await mesh.startControlPlane();
  });

  afterAll(() => mesh.close());

  const run = (command: readonly string[], ...options: string[]): Child =>
    mesh.start('heddle run', [
      heddle,
      'run',
      '--service',
      'job',
      '--pilot',
      `127.0.0.1:${mesh.ports.xds}`,
      ...options,
      '--',
      ...command,
    ]);

  test("ends with the application's exit code", async () => {
    expect((await run(script('process.exit(7)')).exited).code).toBe(7);
    expect((await run(script('')).exited).code).toBe(0);
  });

  test('ends with 128 + n when signal n ended the application', async () => {
    expect((await run(script('process.kill(process.pid, "SIGKILL")')).exited).code).toBe(137);
  });

  test('a command that is not there is said in one sentence, exit 127', async () => {
    const child = run(['/no/such/program']);
    expect((await child.exited).code).toBe(127);
    expect(child.output.split('\n').at(-1)).toBe('heddle: /no/such/program: command not found');
  });

  test('the application learns where its sidecar and its own port are', async () => {
    const names = ['HEDDLE_OUTBOUND', 'HTTP_PROXY', 'http_proxy', 'NO_PROXY', 'no_proxy', 'PORT'];
    const child = run(
      script(`console.log(JSON.stringify(${JSON.stringify(names)}.map((name) => process.env[name])))`),
      '--port',
      '8123',
    );
    const [, outbound] = await child.waitForLine(/ready: outbound (\S+) inbound \S+ admin \S+$/);
    const [printed] = await child.waitForLine(/^\[.*\]$/);
    const direct = 'localhost,127.0.0.1';
    const [own, upper, lower, noProxy, noProxyLower, port] = JSON.parse(printed) as string[];
    expect([own, upper, lower]).toEqual([outbound, outbound, outbound]);
    expect([noProxy?.endsWith(direct), noProxyLower?.endsWith(direct), port]).toEqual([true, true, '8123']);
    expect((await child.exited).code).toBe(0);
  });

  test('SIGHUP is passed on at once', async () => {
    const child = run(
      script('process.on("SIGHUP", () => process.exit(3)); setInterval(() => {}, 1e6); console.log("up")'),
    );
    await child.waitForLine(/^up$/);
    child.kill('SIGHUP');
    expect((await child.exited).code).toBe(3);
  });

  test('SIGTERM drains, reaches the application, and its exit code is passed back', async () => {
    const child = run(
      script('process.on("SIGTERM", () => process.exit(4)); setInterval(() => {}, 1e6); console.log("up")'),
    );
    await child.waitForLine(/^up$/);
    child.kill('SIGTERM');
    expect((await child.exited).code).toBe(4);
  });

  test('SIGTERM ends a sidecar without an application with 0', async () => {
    const { child } = await mesh.startSidecar({ service: 'alone', hasApplication: false });
    child.kill('SIGTERM');
    expect((await child.exited).code).toBe(0);
  });

  test('it waits for a pilot that is not there, says so, and starts when pilot comes', async () => {
    const late = await Mesh.create();
    try {
      const options = ['--service', 'early', '--pilot', `127.0.0.1:${late.ports.xds}`];
      const child = late.start('heddle run', [heddle, 'run', ...options, '--', ...script('console.log("at last")')]);
      await child.waitForLine(new RegExp(`waiting for pilot at 127.0.0.1:${late.ports.xds}`));
      expect(child.isRunning).toBe(true);
      await late.startControlPlane();
      await child.waitForLine(/^at last$/);
      expect((await child.exited).code).toBe(0);
    } finally {
      await late.close();
    }
  });

  test('SIGTERM ends the wait for a pilot', async () => {
    const options = ['--service', 'early', '--pilot', '127.0.0.1:1'];
    const child = mesh.start('heddle run', [heddle, 'run', ...options, '--', ...script('console.log("never")')]);
    await child.waitForLine(/waiting for pilot/);
    child.kill('SIGTERM');
    expect((await child.exited).code).toBe(143);
    expect(child.output).not.toContain('never');
  });

  test('a port that is taken is said in one sentence, exit 1', async () => {
    const child = run([], '--admin-port', String(mesh.ports.rest));
    expect((await child.exited).code).toBe(1);
    expect(child.output).toMatch(new RegExp(`^heddle: .*port ${mesh.ports.rest}.* taken`, 'm'));
  });
});

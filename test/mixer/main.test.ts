import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { unusedPort } from '../support/unused-port.ts';

const program = fileURLToPath(new URL('../../dist/mixer/main.js', import.meta.url));
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function run(...flags: string[]): ChildProcess {
  const child = spawn(process.execPath, [program, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  return child;
}

describe('mixer as a process', () => {
  test('prints one line when it serves and ends in order on SIGTERM', async () => {
    const child = run('--mixer-port', '0', '--metrics-port', '0', '--histogram-buckets', '5,100');
    const [line] = await once(child.stdout ?? child, 'data');
    const url = /^mixer is up: reports 127\.0\.0\.1:\d+, metrics (http:\S+)\n$/.exec(String(line))?.[1] ?? '';
    expect((await fetch(url)).status).toBe(200);
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  });

  test.each([
    [['--mixer-port', 'abc'], /--mixer-port.*whole number/],
    [['--unknown'], /unknown option/],
    [['--redis', 'http://127.0.0.1'], /--redis.*URL of Redis is expected/],
    [['--histogram-buckets', '5,7'], /--histogram-buckets.*some of 0\.5,1,5,/],
    [['--pilot', '127.0.0.1:15080'], /--pilot.*URL is expected/],
  ])('%s is a usage error', async (flags, message) => {
    const child = run(...flags);
    const exited = once(child, 'exit');
    const [text] = await once(child.stderr ?? child, 'data');
    expect(String(text)).toMatch(message);
    expect((await exited)[0]).toBe(1);
  });

  test('without the pilot that it is told of it serves all the same, and ends in order', async () => {
    const child = run('--mixer-port', '0', '--metrics-port', '0', '--pilot', `http://127.0.0.1:${await unusedPort()}`);
    const [line] = await once(child.stdout ?? child, 'data');
    const url = /metrics (http:\S+)\n$/.exec(String(line))?.[1] ?? '';
    expect(await (await fetch(url)).text()).toContain('heddle_canary_status_writes_total');
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  });

  test('a port that is taken ends it with an error', async () => {
    const first = run('--mixer-port', '0', '--metrics-port', '0');
    const [line] = await once(first.stdout ?? first, 'data');
    const taken = /metrics http:\/\/127\.0\.0\.1:(\d+)/.exec(String(line))?.[1] ?? '';
    const second = run('--mixer-port', '0', '--metrics-port', taken);
    const exited = once(second, 'exit');
    const [text] = await once(second.stderr ?? second, 'data');
    expect(String(text)).toContain('EADDRINUSE');
    expect((await exited)[0]).toBe(1);
  });
});

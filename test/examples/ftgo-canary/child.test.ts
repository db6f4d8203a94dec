import { afterEach, describe, expect, test } from 'vitest';
import { Child } from '../../../examples/ftgo-canary/child.ts';

const children: Child[] = [];
const start = (code: string): Child => {
  const child = new Child({ name: 'script', args: ['-e', code], env: { GREETING: 'hello' } });
  children.push(child);
  return child;
};

afterEach(() => Promise.all(children.map((child) => child.end())));

describe('a child process', () => {
  test('a line is found whether it is written already or comes later, on stdout or stderr', async () => {
    const child = start(
      'console.log("one"); console.error("two"); setTimeout(() => console.log("three " + process.env.GREETING), 50)',
    );
    expect((await child.waitForLine(/^three (\w+)$/))[1]).toBe('hello');
    expect((await child.waitForLine(/^one$/))[0]).toBe('one');
    expect((await child.waitForLine(/^two$/))[0]).toBe('two');
    expect(await child.exited).toEqual({ code: 0, signal: null });
  });

  test('waiting ends when the process ends or time is up, and shows what it wrote', async () => {
    await expect(start('console.log("only this")').waitForLine(/never/)).rejects.toThrow(
      'script: the process ended before "never" was printed:\nonly this',
    );
    await expect(start('setInterval(() => {}, 1e6)').waitForLine(/never/, 30)).rejects.toThrow('30 ms passed');
  });

  test('end sends SIGTERM once and tells how the process ended', async () => {
    const child = start('process.on("SIGTERM", () => process.exit(5)); setInterval(() => {}, 1e6); console.log("up")');
    await child.waitForLine(/up/);
    expect(child.isRunning).toBe(true);
    expect(await child.end()).toEqual({ code: 5, signal: null });
    expect(child.isRunning).toBe(false);
    expect(await child.end()).toEqual({ code: 5, signal: null });
  });

  test('a process that a signal ended tells which', async () => {
    const child = start('setInterval(() => {}, 1e6); console.log("up")');
    await child.waitForLine(/up/);
    child.kill('SIGKILL');
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
  });
});

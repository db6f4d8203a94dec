import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { findFreePorts } from '../../pilot/cli/free-ports.ts';
import { type Child, mainLine, pinned, Processes, waitForPort } from '../../bench/processes.ts';

const processes = new Processes();
const node = (script: string): Child => processes.start(0, [process.execPath, '-e', script]);
const isRunning = (child: Child): boolean => existsSync(`/proc/${child.pid}/cmdline`) && child.failure() === undefined;

describe('processes', () => {
  afterEach(() => processes.stopAll());

  it('run on the core they were given, under the pid of the command itself', () => {
    expect(pinned(1, ['wrk', '--version'])).toEqual(['taskset', '--cpu-list', '1', 'wrk', '--version']);
  });

  it('are ready when somebody listens on their port', async () => {
    const [port = 0] = await findFreePorts(1);
    const child = node(`require('net').createServer().listen(${port}, '127.0.0.1')`);
    await waitForPort(port, child);
    expect(isRunning(child)).toBe(true);
  });

  it('are all gone after stopAll, the one that ignores SIGTERM too', async () => {
    const [port = 0] = await findFreePorts(1);
    const gentle = node('setInterval(() => {}, 1000)');
    const stubborn = node(
      `process.on('SIGTERM', () => {}); require('net').createServer().listen(${port}, '127.0.0.1')`,
    );
    await waitForPort(port, stubborn);
    await processes.stopAll();
    expect(gentle.failure()).toMatch(/^ended with SIGTERM/);
    expect(stubborn.failure()).toMatch(/^ended with SIGKILL/);
  });

  it('can be started again after stopAll', async () => {
    node('setInterval(() => {}, 1000)');
    await processes.stopAll();
    expect(isRunning(node('setInterval(() => {}, 1000)'))).toBe(true);
  });

  it('that end before they listen fail with their exit code and what they complained about', async () => {
    const [port = 0] = await findFreePorts(1);
    const child = node('console.error("starting"); console.error("Error: no such file"); process.exit(3)');
    await expect(waitForPort(port, child)).rejects.toThrow('ended with exit code 3: Error: no such file');
  });

  it('that cannot be started at all fail too', async () => {
    const child = processes.start(0, ['no-such-program']);
    await vi.waitFor(() => expect(child.failure()).toContain('no-such-program'));
  });
});

describe('the main line of a complaint', () => {
  it.each([
    ['[warn] old\n[emerg] bind() failed\n', '[emerg] bind() failed'],
    ['file.js:3\n  throw x\n\nTypeError: x\n    at y\n\nNode.js v20\n', 'TypeError: x'],
    ['', 'nothing on stderr'],
  ])('of %j is %j', (text, line) => {
    expect(mainLine(text)).toBe(line);
  });
});

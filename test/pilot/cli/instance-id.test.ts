import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { newInstanceId } from '../../../pilot/cli/instance-id.ts';
import { compiled } from '../../support/mesh.ts';

test('two processes with one pid, as in two containers, have two names, and both tell the pid', () => {
  const ids = new Set(Array.from({ length: 1_000 }, newInstanceId));
  expect(ids.size).toBe(1_000);
  const pid = process.pid.toString(36);
  for (const id of ids) expect(id).toMatch(new RegExp(`^[0-9a-z]{1,8}-${pid}$`));
});

test('a process that is started again has another name', () => {
  const script = `
    Object.defineProperty(process, 'pid', { value: 1 });
    const { newInstanceId } = await import(${JSON.stringify(compiled('pilot/cli/instance-id.js'))});
    process.stdout.write(newInstanceId());`;
  const start = (): string =>
    spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).stdout;
  const [first, second] = [start(), start()];
  expect([first.endsWith('-1'), second.endsWith('-1')]).toEqual([true, true]);
  expect(first).not.toBe(second);
});

import { Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { SplitView, stepTitle } from '../../../examples/ftgo-canary/split-view.ts';
import type { Window } from '../../../examples/ftgo-canary/traffic.ts';

class FakeTerminal extends Writable {
  readonly isTTY: boolean;
  text = '';

  constructor(isTTY: boolean) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
  }

  override _write(chunk: string, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk;
    done();
  }
}

const window: Window = { users: { v1: 950, v2: 50, failed: 0 }, testUsers: { v1: 0, v2: 10, failed: 2 } };
const show = (isTTY: boolean, act: (view: SplitView) => void): string => {
  const terminal = new FakeTerminal(isTTY);
  act(new SplitView(terminal as unknown as NodeJS.WriteStream));
  return terminal.text;
};

describe('the split in the terminal', () => {
  test('a finished step shows shares, counts and faults', () => {
    const text = show(false, (view) => view.finish('Step', window, ['2 requests failed']));
    expect(text.split('\n')).toEqual([
      'Step',
      `  users       v1 ${'█'.repeat(38)}░░ v2  95.0 % | 5.0 %    1000 requests, 0 failed`,
      `  test users  v1 ${'░'.repeat(40)} v2   0.0 % | 100.0 %  10 requests, 2 failed`,
      '  NOT as expected: 2 requests failed',
      '',
    ]);
  });

  test('a right step is as expected', () => {
    expect(show(false, (view) => view.finish('Step', window, []))).toContain('\n  as expected\n');
  });

  test('a step under way is redrawn in place on a terminal', () => {
    const text = show(true, (view) => {
      view.draw('\nStep', window);
      view.draw('\nStep', window);
      view.print('done');
    });
    // Up four lines, to the first column, the rest cleared: before the second drawing and before the line that stays.
    expect(text.split('\u001B[4A\u001B[1G\u001B[0J')).toHaveLength(3);
    expect(text.endsWith('done\n')).toBe(true);
  });

  test('nothing is written after the end', () => {
    const text = show(true, (view) => {
      view.end('over');
      view.draw('Step', window);
      view.print('more');
    });
    expect(text).toBe('over\n');
  });

  test('elsewhere a step under way shows nothing', () => {
    expect(show(false, (view) => view.draw('Step', window))).toBe('');
  });

  test('a title tells the command of the step', () => {
    const step = { title: 'all to v2', file: 'release/5-all-to-v2.yaml', users: 1, testUsers: 1 };
    expect(stepTitle(step, 5, 6)).toBe('\nStep 5 of 6: all to v2   (heddle apply -f release/5-all-to-v2.yaml)');
  });
});

import { existsSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Child } from '../../../examples/ftgo-canary/child.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { compiled } from '../../support/mesh.ts';
import { requirePeers } from '../../support/peers.ts';
import { requirePods } from '../../support/pods.ts';

const start = compiled('examples/pods/start.js');

function startDemo(...options: readonly string[]): Child {
  const child = new Child({ name: 'demo', args: [...options, start] });
  closeAfterTest({ close: () => child.end() });
  return child;
}

/** Of the demo with this process id. */
function leftOvers({ pid }: Child): string[] {
  const folders = ['/run/netns', '/etc/netns'].filter((folder) => existsSync(folder));
  return folders.flatMap((folder) => readdirSync(folder)).filter((name) => name.endsWith(`-${pid}`));
}

test(
  'an unmodified curl is split 95 to 5 and matched by a header, and nothing is left behind',
  { timeout: 120_000 },
  async (context) => {
    requirePods(context);
    requirePeers(context, 'curl');
    const demo = startDemo();
    const { code } = await demo.exited;
    expect(code, demo.output).toBe(0);
    expect(demo.output.match(/ as expected/g), demo.output).toHaveLength(2);
    expect(demo.output).not.toMatch(/NOT/);
    expect(leftOvers(demo)).toEqual([]);
  },
);

test('Ctrl-C ends every process and removes the namespaces', { timeout: 60_000 }, async (context) => {
  requirePods(context);
  requirePeers(context, 'curl');
  const demo = startDemo();
  await demo.waitForLine(/^The pods are there/, 40_000);
  expect(leftOvers(demo)).toHaveLength(3);
  demo.kill('SIGINT');
  expect((await demo.exited).code, demo.output).toBe(0);
  expect(leftOvers(demo)).toEqual([]);
});

test('without root it says in one sentence what it lacks, and does nothing', async () => {
  const demo = startDemo('--import', 'data:text/javascript,process.getuid = () => 1000;');
  expect((await demo.exited).code).toBe(1);
  const sentence =
    process.platform === 'linux'
      ? 'The demo makes two network namespaces, which only root can: sudo npm run demo:pods'
      : `The demo needs network namespaces of Linux, this is ${process.platform}.`;
  expect(demo.output).toBe(sentence);
});

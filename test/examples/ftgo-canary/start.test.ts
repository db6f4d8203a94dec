import { expect, test } from 'vitest';
import { Child } from '../../../examples/ftgo-canary/child.ts';
import { compiled } from '../../support/mesh.ts';

const start = compiled('examples/ftgo-canary/start.js');

test(
  'the release is walked through, every step lands where it should, then it releases itself, and the mixer agrees',
  { timeout: 180_000 },
  async () => {
    const child = new Child({ name: 'start', args: [start, '--once'] });
    const { code } = await child.exited;
    expect(code, child.output).toBe(0);
    expect(child.output.match(/as expected/g), child.output).toHaveLength(7);
    expect(child.output).not.toMatch(/NOT/);
  },
);

test('a browser reaches the shop through the gateway, and Ctrl-C ends every process', { timeout: 60_000 }, async () => {
  const child = new Child({ name: 'start', args: [start] });
  const [, shop = ''] = await child.waitForLine(/shop\s+(http:\S+)/, 40_000);
  const page = await fetch(shop);
  expect(page.url).toBe(`${shop}/orders/1`);
  expect(await page.json()).toMatchObject({ id: '1' });
  const [, admin = ''] = await child.waitForLine(/admin\s+(http:\S+)/, 40_000);
  child.kill('SIGINT');
  expect((await child.exited).code, child.output).toBe(0);
  await expect(fetch(`${admin}/ready`)).rejects.toThrow();
});

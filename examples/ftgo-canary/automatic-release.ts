/** The release once more, by itself: one file is applied, and the mixer takes the steps. */
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import type { CanaryStatus } from '../../crds/canary.ts';
import type { Shop, ShopProcesses } from './shop.ts';
import type { SplitView } from './split-view.ts';
import type { Traffic } from './traffic.ts';

export interface AutomaticRelease {
  readonly shop: Shop;
  readonly processes: ShopProcesses;
  readonly traffic: Traffic;
  readonly view: SplitView;
}

const file = 'release/canary.yaml';
const path = '/apis/networking.heddle.dev/v1alpha1/namespaces/default/canaries/ftgo-consumer-service';
const redrawMs = 200;
/** The steps take some ten seconds when requests come fast, a minute when they do not. */
const patienceMs = 180_000;

/** Whether v2 was released, step by step. */
export async function releaseItself({ shop, processes, traffic, view }: AutomaticRelease): Promise<boolean> {
  view.print(`\nNow by itself   (heddle apply -f ${file}; heddle canary watch ftgo-consumer-service)`);
  await processes.apply(file);
  const window = traffic.openWindow();
  const endMs = performance.now() + patienceMs;
  let said = 0;
  while (performance.now() < endMs) {
    const { phase, decisions = [], conditions = [] } = await readStatus(shop.apiUrl);
    for (const { at, decision, message } of decisions.slice(said))
      view.print(`  ${at.slice(11, 19)} ${decision}: ${message}`);
    said = decisions.length;
    if (phase === 'Succeeded' || phase === 'Failed') {
      const isRight = phase === 'Succeeded';
      view.print(isRight ? '  as expected' : '  NOT as expected: v2 was rolled back');
      return isRight;
    }
    view.draw(`  ${conditions.find(({ type }) => type === 'Promoted')?.message ?? ''}`, window);
    await sleep(redrawMs);
  }
  view.print(`  NOT as expected: not decided within ${patienceMs / 1000} s`);
  return false;
}

async function readStatus(apiUrl: string): Promise<CanaryStatus> {
  const { body } = await request(`${apiUrl}${path}`);
  const { status = {} } = (await body.json()) as { readonly status?: CanaryStatus };
  return status;
}

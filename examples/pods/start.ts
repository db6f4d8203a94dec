/** `npm run demo:pods`: curl in one network namespace, the shop in another, and rules that hold for an unmodified curl. */
import { setTimeout as sleep } from 'node:timers/promises';
import { listenForStop } from '../../pilot/cli/signals.ts';
import { findFault as findSplitFault, type Split } from '../ftgo-canary/release.ts';
import { SplitView } from '../ftgo-canary/split-view.ts';
import type { Window } from '../ftgo-canary/traffic.ts';
import { PodShop } from './pod-shop.ts';
import { findFault } from './two-pods.ts';

const url = 'http://ftgo-consumer-service/consumers/';
/** New rules hold in every sidecar after 200 ms at most; requests sent before that are not counted. */
const settleMs = 500;
const batches = 20;
const usersPerBatch = 100;
const testUsersPerBatch = 10;

interface DemoStep {
  readonly title: string;
  readonly files: readonly string[];
  /** Shares of v2. */
  readonly users: number;
  readonly testUsers: number;
}

const steps: readonly DemoStep[] = [
  {
    title: 'Everybody to v1',
    files: ['ftgo-canary/destination-rule.yaml', 'ftgo-canary/release/1-all-to-v1.yaml'],
    users: 0,
    testUsers: 0,
  },
  {
    title: 'Whoever sends the header testuser to v2, and 5 % of all others',
    files: ['ftgo-canary/virtual-service.yaml'],
    users: 0.05,
    testUsers: 1,
  },
];

async function main(): Promise<boolean> {
  const fault = findFault();
  if (fault !== undefined) throw new Error(fault);
  const view = new SplitView(process.stdout);
  const stop = listenForStop(['SIGINT', 'SIGTERM', 'SIGHUP']);
  const shop = new PodShop();
  try {
    view.print('Making two network namespaces; the shop goes into one, curl into the other ...');
    const walk = walkThrough(shop, view);
    const outcome = await Promise.race([walk, stop.first]);
    return typeof outcome === 'boolean' ? outcome : true;
  } finally {
    view.end('\nEnding all processes, removing the namespaces ...');
    await shop.close();
    stop.dispose();
  }
}

/** Whether every step landed where it should. */
async function walkThrough(shop: PodShop, view: SplitView): Promise<boolean> {
  await shop.start();
  view.print(describePods(shop));
  let isRight = true;
  for (const [i, step] of steps.entries()) {
    await shop.apply(...step.files);
    await sleep(settleMs);
    const title = `\n${i + 1}. ${step.title}\n   heddle apply ${step.files.map((file) => `-f examples/${file}`).join(' ')}`;
    isRight = (await Promise.race([observe(shop, step, title, view), shop.watch()])) && isRight;
  }
  return isRight;
}

async function observe(shop: PodShop, step: DemoStep, title: string, view: SplitView): Promise<boolean> {
  const window: Window = { users: { v1: 0, v2: 0, failed: 0 }, testUsers: { v1: 0, v2: 0, failed: 0 } };
  for (let batch = 0; batch < batches; batch += 1) {
    count(window.users, usersPerBatch, await shop.curl(`${url}[1-${usersPerBatch}]`));
    const header = ['--header', 'testuser: alice'];
    count(window.testUsers, testUsersPerBatch, await shop.curl(...header, `${url}[1-${testUsersPerBatch}]`));
    view.draw(title, window);
  }
  const faults = [findSplitFault(window.users, step.users), findSplitFault(window.testUsers, step.testUsers)].filter(
    (fault) => fault !== undefined,
  );
  view.finish(title, window, faults);
  return faults.length === 0;
}

/** The service says in every answer which version it is. */
function count(split: { -readonly [K in keyof Split]: Split[K] }, requests: number, answers: string): void {
  const v1 = answers.split('"version":"v1"').length - 1;
  const v2 = answers.split('"version":"v2"').length - 1;
  split.v1 += v1;
  split.v2 += v2;
  split.failed += requests - v1 - v2;
}

function describePods({ pods: { shop, user } }: PodShop): string {
  return [
    '\nThe pods are there.',
    `  ${user.name}  ${user.address}  curl, and a sidecar that it does not know of`,
    `  ${shop.name}  ${shop.address}  the consumer service, v1 and v2, and the control plane`,
    '\nUsers call    curl http://ftgo-consumer-service/consumers/7',
    "Test users    curl -H 'testuser: alice' http://ftgo-consumer-service/consumers/7",
  ].join('\n');
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
process.exit();

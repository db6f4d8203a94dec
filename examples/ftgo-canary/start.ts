/** `npm start`: the whole mesh, a release walked through step by step, the split in the terminal. `--once` ends by itself. */
import { setTimeout as sleep } from 'node:timers/promises';
import { listenForStop } from '../../pilot/cli/signals.ts';
import { releaseItself } from './automatic-release.ts';
import { readMixerTotals } from './mixer-totals.ts';
import { findFault, steps, type Step } from './release.ts';
import { ShopProcesses, type Shop } from './shop.ts';
import { SplitView, stepTitle } from './split-view.ts';
import { Traffic } from './traffic.ts';

const isOnce = process.argv.includes('--once');

/** New weights hold in every sidecar after 200 ms at most; requests sent before that are not counted. */
const settleMs = 500;
/** `--once` counts this many answers per step: enough to tell 5 % from 8 %, and fewer where all must land in one place. */
const onceRequests = { drawn: 3000, certain: 1000 };
const stepMs = 10_000;
const redrawMs = 200;

async function main(): Promise<boolean> {
  const view = new SplitView(process.stdout);
  const processes = new ShopProcesses();
  const stop = listenForStop(['SIGINT', 'SIGTERM', 'SIGHUP']);
  try {
    view.print('Starting the control plane, three sidecars with their applications, and a gateway ...');
    const shop = await Promise.race([processes.start(), stop.first]);
    if (typeof shop === 'string') return !isOnce;
    const walk = walkThrough(shop, processes, view);
    const outcome = await Promise.race([walk, processes.watch(), stop.first]);
    return typeof outcome === 'boolean' ? outcome : !isOnce;
  } finally {
    view.end('\nEnding all processes ...');
    await processes.close();
    stop.dispose();
  }
}

/** Whether every step landed where it should. Without `--once` it goes on with the traffic for ever. */
async function walkThrough(shop: Shop, processes: ShopProcesses, view: SplitView): Promise<boolean> {
  view.print(describePages(shop));
  await processes.apply('destination-rule.yaml');
  const traffic = new Traffic({ orderUrl: shop.orderUrl, users: 20, pauseMs: isOnce ? 2 : 50 });
  traffic.start();
  let isRight = true;
  for (const [i, step] of steps.entries()) {
    await processes.apply(step.file);
    isRight = (await observeStep(step, stepTitle(step, i + 1, steps.length), traffic, view)) && isRight;
  }
  isRight = (await releaseItself({ shop, processes, traffic, view })) && isRight;
  if (isOnce) {
    await traffic.stop();
    if (traffic.lastFailure !== undefined) view.print(`\nThe last failed request: ${traffic.lastFailure}`);
    return (await doesMixerAgree(shop, traffic, view)) && traffic.total.failed === 0 && isRight;
  }
  view.print('\nThe release has been walked through; traffic goes on. Ctrl-C ends everything.');
  const window = traffic.openWindow();
  for (;;) {
    view.draw('\nNow', window);
    await sleep(redrawMs);
  }
}

async function observeStep(step: Step, title: string, traffic: Traffic, view: SplitView): Promise<boolean> {
  await sleep(settleMs);
  const window = traffic.openWindow();
  const startMs = performance.now();
  const wanted = step.users === 0 || step.users === 1 ? onceRequests.certain : onceRequests.drawn;
  const isEnough = (): boolean =>
    isOnce ? window.users.v1 + window.users.v2 >= wanted : performance.now() - startMs >= stepMs;
  while (!isEnough() && window.users.failed + window.testUsers.failed === 0) {
    view.draw(title, window);
    await sleep(redrawMs);
  }
  const faults = [findFault(window.users, step.users), findFault(window.testUsers, step.testUsers)].filter(
    (fault) => fault !== undefined,
  );
  view.finish(title, window, faults);
  return faults.length === 0;
}

/** Sidecars report once a second: the mixer gets a few of these to hear of the last answer. */
async function doesMixerAgree(shop: Shop, { total }: Traffic, view: SplitView): Promise<boolean> {
  let mixer = { v1: 0, v2: 0 };
  for (let attempt = 0; attempt < 20; attempt += 1) {
    mixer = await readMixerTotals(shop.metricsUrl);
    if (mixer.v1 === total.v1 && mixer.v2 === total.v2) break;
    await sleep(500);
  }
  const doesAgree = mixer.v1 === total.v1 && mixer.v2 === total.v2;
  const verdict = doesAgree ? 'the same' : 'NOT the same';
  view.print(
    `\nAnswers received: ${total.v1} of v1, ${total.v2} of v2. The mixer: ${mixer.v1} and ${mixer.v2}, ${verdict}.`,
  );
  return doesAgree;
}

function describePages({ apiUrl, metricsUrl, gatewayUrl, admins }: Shop): string {
  const pages = admins.map(({ name, url }) => `  admin    ${url}   (${name})`);
  return [
    '\nThe mesh is up.',
    `  shop     ${gatewayUrl}   (open it in a browser)`,
    `  metrics  ${metricsUrl}`,
    ...pages,
    `  API      ${apiUrl}   (try: npx heddle get virtualservices --server ${apiUrl})`,
  ].join('\n');
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
process.exit();

import { expect, test } from 'vitest';
import { Simulation } from './simulation.ts';
import { destinationRule, virtualService } from './yaml.ts';

const oneDeadOneAlive = [
  { service: 'reviews', behaviour: 'refuses' },
  { service: 'reviews', behaviour: 'answers' },
] as const;
const roundRobin = destinationRule('reviews', 'trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } }');

async function attemptsOf(yaml: string, attempts: number): Promise<number> {
  const meshConfig = { defaultHttpRetryPolicy: { attempts } };
  const mesh = await Simulation.start({ yaml: roundRobin + yaml, workloads: oneDeadOneAlive, meshConfig });
  return Math.max(...Array.from({ length: 4 }, () => mesh.call({ host: 'reviews' }).attempts.length));
}

test('S22: the default retry policy of the mesh holds where no rule has retries of its own', async () => {
  expect(await attemptsOf('', 0)).toBe(1);
  expect(await attemptsOf('', 2)).toBe(2);
  const rule = (retries: string): string =>
    virtualService('reviews', `[{ ${retries} route: [{ destination: { host: reviews } }] }]`);
  expect(await attemptsOf(rule(''), 0)).toBe(1);
  expect(await attemptsOf(rule('retries: { attempts: 2, retryOn: connect-failure },'), 0)).toBe(2);
});

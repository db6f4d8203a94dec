import { describe, expect, test } from 'vitest';
import { parseLocality } from '../../pilot/model/locality.ts';
import type { Behaviour, SimulatedWorkload } from './simulated-workload.ts';
import { type SimulationInput, Simulation } from './simulation.ts';
import { destinationRule, virtualService } from './yaml.ts';

/** Failover is on, and nothing is ejected. */
const ranked = destinationRule('reviews', 'trafficPolicy: { outlierDetection: { consecutive5xxErrors: 0 } }');
const retrying = (retries: string): string =>
  virtualService('reviews', `[{ route: [{ destination: { host: reviews } }], retries: ${retries} }]`);

const placed = (behaviours: Readonly<Record<string, Behaviour>>): SimulatedWorkload[] =>
  Object.entries(behaviours).flatMap(([place, behaviour]) =>
    [0, 1, 2, 3].map(() => ({ service: 'reviews', version: place, locality: place, behaviour })),
  );

/** The places of the attempts of one request, in their order. */
async function placesOf(yaml: string, workloads: SimulatedWorkload[], more: SimulationInput = {}): Promise<string[]> {
  const client = { locality: parseLocality('near') };
  const mesh = await Simulation.start({ yaml, workloads, client, ...more });
  const { attempts } = mesh.call({ host: 'reviews' });
  return attempts.map((address) => workloads[Number(/\.(\d+):/.exec(address)?.[1]) - 1]?.locality ?? '');
}

describe('retryRemoteLocalities', () => {
  const nearFails = placed({ near: 'refuses', far: 'answers' });

  test('the first retry stays near, the second goes to another place', async () => {
    const yaml = ranked + retrying('{ attempts: 3, retryRemoteLocalities: true }');
    expect(await placesOf(yaml, nearFails)).toEqual(['near', 'near', 'far']);
  });

  test('false, or none, leaves all attempts near', async () => {
    const near = ['near', 'near', 'near', 'near'];
    expect(await placesOf(ranked + retrying('{ attempts: 3 }'), nearFails)).toEqual(near);
    expect(await placesOf(ranked + retrying('{ attempts: 3, retryRemoteLocalities: false }'), nearFails)).toEqual(near);
  });

  test('goes on through the places, and starts again when none is left', async () => {
    const yaml = ranked + retrying('{ attempts: 6, retryRemoteLocalities: true }');
    const workloads = placed({ near: 'refuses', far: 'refuses' });
    expect(await placesOf(yaml, workloads)).toEqual(['near', 'near', 'far', 'far', 'near', 'near', 'far']);
  });

  test('changes nothing where there is one place, or where places are not ranked', async () => {
    const yaml = retrying('{ attempts: 3, retryRemoteLocalities: true }');
    expect(await placesOf(ranked + yaml, placed({ near: 'refuses' }))).toEqual(['near', 'near', 'near', 'near']);
    const mesh = await Simulation.start({ yaml, workloads: nearFails });
    for (let i = 0; i < 20; i++) expect(mesh.call({ host: 'reviews' }).attempts.length).toBeLessThanOrEqual(4);
  });

  test('each request begins near again', async () => {
    const yaml = ranked + retrying('{ attempts: 2, retryRemoteLocalities: true }');
    const mesh = await Simulation.start({ yaml, workloads: nearFails, client: { locality: parseLocality('near') } });
    for (let i = 0; i < 10; i++) {
      const { status, attempts, version } = mesh.call({ host: 'reviews' });
      expect({ status, version, attempts: attempts.length }).toEqual({ status: 200, version: 'far', attempts: 3 });
    }
  });

  test('with consistent hashing a user lands at the same remote workload each time', async () => {
    const hashed = destinationRule(
      'reviews',
      `trafficPolicy:
    loadBalancer: { consistentHash: { httpHeaderName: x-user } }
    outlierDetection: { consecutive5xxErrors: 0 }`,
    );
    const yaml = hashed + retrying('{ attempts: 2, retryRemoteLocalities: true }');
    const mesh = await Simulation.start({ yaml, workloads: nearFails, client: { locality: parseLocality('near') } });
    const placesFor = (user: string): Set<string | undefined> =>
      new Set([1, 2, 3, 4].map(() => mesh.call({ host: 'reviews', headers: { 'x-user': user } }).endpoint));
    const users = Array.from({ length: 40 }, (_, i) => `user-${i}`);
    for (const user of users) expect(placesFor(user).size).toBe(1);
    expect(new Set(users.flatMap((user) => [...placesFor(user)])).size).toBe(4);
  });
});

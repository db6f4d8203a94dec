import { describe, expect, test } from 'vitest';
import { createExplainer } from '../../../pilot/cli/explain/explainer.ts';
import type { Explanation } from '../../../pilot/cli/explain/explanation.ts';
import { readRequest } from '../../../pilot/cli/explain/request-options.ts';
import { seededRandom } from '../../../proxy/common/seeded-random.ts';
import { Simulation, resourcesOf } from '../../simulation/simulation.ts';
import { workloadAt } from '../../simulation/simulated-workload.ts';
import { reviewsSubsets, reviewsV1AndV2, virtualService } from '../../simulation/yaml.ts';

const ruleSets = 24;
const requestsPerSet = 4;

function pick<T>(random: () => number, ...choices: readonly T[]): T {
  return choices[Math.floor(random() * choices.length)] as T;
}

function randomMatch(random: () => number): string {
  const conditions = [
    pick(random, '', 'uri: { prefix: /a }', 'uri: { exact: /a/b }', "uri: { regex: '/[ab].*' }"),
    pick(
      random,
      '',
      '',
      'headers: { user: { exact: ann } }',
      'headers: { user: {} }',
      'withoutHeaders: { user: { prefix: b } }',
    ),
    pick(
      random,
      '',
      '',
      'method: { exact: POST }',
      'queryParams: { q: { exact: "1" } }',
      'sourceLabels: { app: client }',
      'sourceLabels: { app: web }',
    ),
  ].filter((condition) => condition !== '');
  return conditions.length === 0 ? '{ uri: { prefix: / } }' : `{ ${conditions.join(', ')} }`;
}

function randomRule(random: () => number): string {
  const matches = Array.from({ length: Math.floor(random() * 3) }, () => randomMatch(random));
  const action = pick(
    random,
    'route: [{ destination: { host: reviews, subset: v1 } }], rewrite: { uri: /new }',
    'route: [{ destination: { host: reviews, subset: v2 }, headers: { request: { set: { x-a: "1" } } } }]',
    'route: [{ destination: { host: reviews, subset: v1 }, weight: 1 }, { destination: { host: reviews, subset: v2 }, weight: 2 }]',
    'route: [{ destination: { host: reviws } }]',
    'redirect: { uri: /moved }',
    'directResponse: { status: 204 }',
    'fault: { abort: { httpStatus: 418, percentage: { value: 50 } } }, route: [{ destination: { host: reviews } }]',
  );
  return `{ ${matches.length === 0 ? '' : `match: [${matches.join(', ')}], `}${action} }`;
}

function randomRequest(random: () => number): { method: string; path: string; headers: Record<string, string> } {
  const user = pick(random, '', 'ann', 'bob');
  return {
    method: pick(random, 'GET', 'POST'),
    path: pick(random, '/', '/a', '/a/b', '/b?q=1', '/a/b?q=2', '/c'),
    headers: user === '' ? {} : { user },
  };
}

describe('an explanation is what the proxy does', () => {
  test.each(Array.from({ length: ruleSets }, (_, seed) => seed + 1))('rule set %i, same seed', async (seed) => {
    const random = seededRandom(seed);
    const rules = Array.from({ length: 1 + Math.floor(random() * 5) }, () => randomRule(random));
    const yaml = reviewsSubsets + virtualService('reviews', `[${rules.join(', ')}]`);
    const workloads = reviewsV1AndV2.map(workloadAt);
    const view = {
      resources: resourcesOf(yaml),
      workloads,
      meshConfig: {},
      knowsEndpoints: true,
      locate: () => undefined,
    };
    const client = { namespace: 'default', labels: { app: 'client' } };
    for (let i = 0; i < requestsPerSet; i++) {
      const request = randomRequest(random);
      const simulation = await Simulation.start({ yaml, workloads: reviewsV1AndV2, seed: seed + i });
      const landing = simulation.call({ host: 'reviews', ...request });
      const explainer = createExplainer({ view, client, seed: seed + i });
      const headers = Object.entries(request.headers);
      const words = { method: request.method, url: `http://reviews${request.path}`, headers };
      const explanation = await explainer.explain(readRequest(words));
      expect(verdictOf(explanation)).toEqual({
        status: landing.status,
        flag: landing.flag,
        cluster: landing.cluster,
        path: landing.upstreamPath,
        added: landing.upstreamHeaders['x-a'],
        location: landing.responseHeaders['location'],
      });
      expectOneTaken(explanation);
    }
  });
});

/** The stand-in for a workload answers 200, as the simulation's does. */
function verdictOf(explanation: Explanation | undefined): object {
  const { outcome, destination, upstream } = explanation ?? {};
  return {
    status: outcome?.kind === 'forward' ? 200 : outcome?.status,
    flag: outcome?.flag,
    cluster: destination?.isKnown === true ? destination.cluster : undefined,
    path: upstream?.path,
    added: upstream?.sent['x-a'],
    location: outcome?.location,
  };
}

/** Every match is accounted for, and those in front of the one that was taken give a reason. */
function expectOneTaken(explanation: Explanation | undefined): void {
  const { matches = [], outcome } = explanation ?? {};
  const taken = matches.findIndex(({ verdict }) => verdict === 'taken');
  expect(taken < 0).toBe(outcome?.flag === 'NR');
  for (const { verdict, reason } of matches.slice(0, Math.max(taken, 0))) {
    expect(['no match', 'not for this client']).toContain(verdict);
    expect(reason).not.toBe('no condition fails');
  }
}

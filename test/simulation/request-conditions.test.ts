import { describe, expect, test } from 'vitest';
import type { NodeMetadata } from '../../proxy/api/node.ts';
import type { SimulatedRequest } from './simulated-proxy.ts';
import { Simulation } from './simulation.ts';
import { kubernetesService, reviewsSubsets, reviewsV1AndV2, reviewsV2When } from './yaml.ts';

interface Client {
  readonly client?: Partial<NodeMetadata>;
}

/** The version of `reviews` that each request reaches when `match` means v2. */
async function versionsOf(
  match: string,
  requests: readonly Partial<SimulatedRequest>[],
  { client = {} }: Client = {},
): Promise<(string | undefined)[]> {
  const yaml =
    reviewsSubsets + kubernetesService('reviews', '[{ port: 80, name: http }, { port: 8080, name: http-alt }]');
  const mesh = await Simulation.start({ yaml: yaml + reviewsV2When(match), workloads: reviewsV1AndV2, client });
  return requests.map((request) => mesh.call({ host: 'reviews', ...request }).version);
}

const queries = (...list: string[]): { path: string }[] => list.map((query) => ({ path: `/a${query}` }));

describe('the start line', () => {
  test('S2: method is compared with its letter case', async () => {
    const requests = ['POST', 'GET', 'post'].map((method) => ({ method }));
    expect(await versionsOf('[{ method: { exact: POST } }]', requests)).toEqual(['v2', 'v1', 'v1']);
    expect(await versionsOf('[{ method: { regex: "POST|PUT" } }]', requests)).toEqual(['v2', 'v1', 'v1']);
  });

  test('S2: authority is the Host header as it came', async () => {
    const requests = [{ host: 'reviews:80' }, { host: 'reviews' }, { host: 'reviews.default' }];
    expect(await versionsOf('[{ authority: { prefix: "reviews:" } }]', requests)).toEqual(['v2', 'v1', 'v1']);
  });

  test('S2: scheme is http until there is TLS', async () => {
    expect(await versionsOf('[{ scheme: { exact: http } }]', [{}])).toEqual(['v2']);
    expect(await versionsOf('[{ scheme: { exact: https } }]', [{}])).toEqual(['v1']);
  });
});

describe('S14: parameters of the query', () => {
  test('S14: all that are listed must match', async () => {
    const match = '[{ queryParams: { a: { exact: "1" }, b: { prefix: x } } }]';
    expect(await versionsOf(match, queries('?a=1&b=xy', '?b=x&a=1', '?a=1', '?a=1&b=y', ''))).toEqual([
      'v2',
      'v2',
      'v1',
      'v1',
      'v1',
    ]);
  });

  test('S14: the first value of a repeated parameter counts', async () => {
    expect(await versionsOf('[{ queryParams: { a: { exact: "1" } } }]', queries('?a=1&a=2', '?a=2&a=1'))).toEqual([
      'v2',
      'v1',
    ]);
  });

  test('S14: a parameter without a value has the empty one', async () => {
    expect(await versionsOf('[{ queryParams: { a: { exact: "" } } }]', queries('?a', '?a=', '?b', '?a=1'))).toEqual([
      'v2',
      'v2',
      'v1',
      'v1',
    ]);
  });

  test('S14: values are compared as they came, undecoded', async () => {
    expect(await versionsOf('[{ queryParams: { a: { exact: "x y" } } }]', queries('?a=x%20y', '?a=x+y'))).toEqual([
      'v1',
      'v1',
    ]);
    expect(await versionsOf('[{ queryParams: { a: { exact: "x%20y" } } }]', queries('?a=x%20y'))).toEqual(['v2']);
  });

  test('S11: an empty condition asks for presence', async () => {
    expect(await versionsOf('[{ queryParams: { a: {} } }]', queries('?a', '?a=1', '?ab=1', ''))).toEqual([
      'v2',
      'v2',
      'v1',
      'v1',
    ]);
  });

  test('S3: a rule that asks for a parameter is not one for everything', async () => {
    expect(await versionsOf('[{ uri: { prefix: / }, queryParams: { a: {} } }]', queries('?a', ''))).toEqual([
      'v2',
      'v1',
    ]);
  });
});

describe('the source of a request', () => {
  test('S6: port is the port that was addressed', async () => {
    const requests = [{ host: 'reviews:8080' }, { host: 'reviews:80' }, { host: 'reviews' }];
    expect(await versionsOf('[{ port: 8080 }]', requests)).toEqual(['v2', 'v1', 'v1']);
  });

  test('S5: sourceLabels select the clients that have all of them', async () => {
    const match = '[{ sourceLabels: { app: web, version: v3 } }]';
    const versionFor = (labels: Record<string, string>) => versionsOf(match, [{}], { client: { labels } });
    expect(await versionFor({ app: 'web', version: 'v3', team: 'a' })).toEqual(['v2']);
    expect(await versionFor({ app: 'web', version: 'v2' })).toEqual(['v1']);
    expect(await versionFor({})).toEqual(['v1']);
  });

  test('S5: sourceNamespace selects the clients of one namespace', async () => {
    const match = '[{ sourceNamespace: web }]';
    const requests = [{ host: 'reviews.default' }];
    expect(await versionsOf(match, requests, { client: { namespace: 'web' } })).toEqual(['v2']);
    expect(await versionsOf(match, requests, { client: { namespace: 'shop' } })).toEqual(['v1']);
  });

  test('S5: where a match names gateways, sourceLabels and sourceNamespace do not count', async () => {
    const match = '[{ gateways: [mesh], sourceLabels: { app: nobody }, sourceNamespace: nowhere }]';
    expect(await versionsOf(match, [{}])).toEqual(['v2']);
  });

  test('a rule none of whose matches concern the client is as if it were not there', async () => {
    const match = '[{ sourceLabels: { app: a } }, { sourceNamespace: nowhere }]';
    expect(await versionsOf(match, [{}])).toEqual(['v1']);
  });
});

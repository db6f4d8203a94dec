import { describe, expect, test } from 'vitest';
import { Simulation } from './simulation.ts';
import { destinationRule, virtualService } from './yaml.ts';

const host = 'reviews.shop.svc.cluster.local';
const workloads = ['v1', 'v2', 'v3'].map((version) => ({ service: 'reviews', namespace: 'shop', version }));
const toSubset = (subset: string): string =>
  virtualService(host, `[{ route: [{ destination: { host: ${host}, subset: ${subset} } }] }]`);
const subsetIs = (version: string): string => `subsets: [{ name: chosen, labels: { version: ${version} } }]`;

describe('D1: where a DestinationRule is looked for', () => {
  const rules = {
    client: destinationRule(host, subsetIs('v1'), { namespace: 'web' }),
    service: destinationRule(host, subsetIs('v2'), { namespace: 'shop' }),
    root: destinationRule(host, subsetIs('v3'), { namespace: 'istio-system' }),
    stranger: destinationRule(host, subsetIs('v1'), { namespace: 'elsewhere' }),
  };

  async function versionWith(...found: string[]): Promise<string> {
    const yaml = found.join('') + toSubset('chosen');
    const mesh = await Simulation.start({ yaml, workloads, client: { namespace: 'web' } });
    const { version, flag } = mesh.call({ host });
    return version ?? flag;
  }

  test("the client's namespace comes first, then the service's, then the root namespace", async () => {
    expect(await versionWith(rules.root, rules.service, rules.client)).toBe('v1');
    expect(await versionWith(rules.root, rules.service)).toBe('v2');
    expect(await versionWith(rules.root)).toBe('v3');
  });

  test('one in any other namespace does not apply', async () => {
    expect(await versionWith(rules.stranger)).toBe('NC');
  });
});

describe('D2: several DestinationRules of one host', () => {
  test('their subsets add up, and of two with one name the older stays', async () => {
    const yaml =
      destinationRule(host, 'subsets: [{ name: a, labels: { version: v1 } }]', { name: 'first', namespace: 'shop' }) +
      destinationRule(host, 'subsets: [{ name: a, labels: { version: v3 } }, { name: b, labels: { version: v2 } }]', {
        name: 'second',
        namespace: 'shop',
      });
    const versionOf = async (subset: string): Promise<string | undefined> =>
      (await Simulation.start({ yaml: yaml + toSubset(subset), workloads })).call({ host }).version;
    expect(await versionOf('a')).toBe('v1');
    expect(await versionOf('b')).toBe('v2');
  });

  test('the first traffic policy wins', async () => {
    const policy = (simple: string): string => `trafficPolicy: { loadBalancer: { simple: ${simple} } }`;
    const yaml =
      destinationRule(host, policy('ROUND_ROBIN'), { name: 'first', namespace: 'shop' }) +
      destinationRule(host, policy('RANDOM'), { name: 'second', namespace: 'shop' });
    const mesh = await Simulation.start({ yaml, workloads });
    expect(turnsOf(mesh, 30)).toEqual([10, 10, 10]);
  });
});

describe('D3: the policy of a subset', () => {
  const yaml = destinationRule(
    host,
    `trafficPolicy: { loadBalancer: { simple: RANDOM } }
  subsets: [{ name: all, trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } } }]`,
    { namespace: 'shop' },
  );

  test('applies to requests whose route names the subset', async () => {
    const mesh = await Simulation.start({ yaml: yaml + toSubset('all'), workloads });
    expect(turnsOf(mesh, 300)).toEqual([100, 100, 100]);
  });

  test('does not apply to others', async () => {
    const mesh = await Simulation.start({ yaml, workloads });
    expect(turnsOf(mesh, 300)).not.toEqual([100, 100, 100]);
  });
});

/** How many of `count` requests v1, v2 and v3 got. */
function turnsOf(mesh: Simulation, count: number): number[] {
  const share = mesh.share(count, { host });
  return ['v1', 'v2', 'v3'].map((version) => share[version] ?? 0);
}

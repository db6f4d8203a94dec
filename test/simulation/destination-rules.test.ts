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

describe('D1: exportTo says which namespaces a DestinationRule is for', () => {
  const exported = (namespace: string, version: string, exportTo: string): string =>
    destinationRule(host, `exportTo: ${exportTo}\n  ${subsetIs(version)}`, { namespace });

  async function versionFor(client: string, ...rules: string[]): Promise<string> {
    const yaml = rules.join('') + toSubset('chosen');
    const mesh = await Simulation.start({ yaml, workloads, client: { namespace: client } });
    const { version, flag } = mesh.call({ host });
    return version ?? flag;
  }

  test.each([
    ['["*"]', { web: 'v1', shop: 'v1', elsewhere: 'v1' }],
    ['["."]', { web: 'NC', shop: 'v1', elsewhere: 'NC' }],
    ['[web]', { web: 'v1', shop: 'NC', elsewhere: 'NC' }],
    ['[".", web]', { web: 'v1', shop: 'v1', elsewhere: 'NC' }],
    ['[]', { web: 'v1', shop: 'v1', elsewhere: 'v1' }],
  ])('%s', async (exportTo, expected) => {
    const rule = exported('shop', 'v1', exportTo);
    const found = await Promise.all(['web', 'shop', 'elsewhere'].map((client) => versionFor(client, rule)));
    const [web, shop, elsewhere] = found;
    expect({ web, shop, elsewhere }).toEqual(expected);
  });

  test('a rule that is not for the client is passed over: the next namespace is looked at', async () => {
    const own = exported('web', 'v1', '[elsewhere]');
    const service = exported('shop', 'v2', '["."]');
    const root = exported('istio-system', 'v3', '["*"]');
    expect(await versionFor('web', own, service, root)).toBe('v3');
    expect(await versionFor('shop', own, service, root)).toBe('v2');
    expect(await versionFor('web', exported('istio-system', 'v3', '["."]'))).toBe('NC');
    expect(await versionFor('istio-system', exported('istio-system', 'v3', '["."]'))).toBe('v3');
  });

  test('of several rules of one host each client sees its own merged', async () => {
    const yaml =
      destinationRule(host, 'exportTo: [web]\n  subsets: [{ name: chosen, labels: { version: v1 } }]', {
        name: 'for-web',
        namespace: 'shop',
      }) +
      destinationRule(host, 'subsets: [{ name: chosen, labels: { version: v2 } }]', {
        name: 'for-all',
        namespace: 'shop',
      });
    expect(await versionFor('web', yaml)).toBe('v1');
    expect(await versionFor('elsewhere', yaml)).toBe('v2');
  });
});

describe('D1: a workloadSelector says which clients of its namespace a DestinationRule is for', () => {
  const selecting = (name: string, selector: string, spec: string, namespace = 'web'): string =>
    destinationRule(host, `workloadSelector: { matchLabels: ${selector} }\n  ${spec}`, { name, namespace });

  async function versionFor(labels: Record<string, string>, yaml: string, namespace = 'web'): Promise<string> {
    const client = { namespace, labels };
    const mesh = await Simulation.start({ yaml: yaml + toSubset('chosen'), workloads, client });
    const { version, flag } = mesh.call({ host });
    return version ?? flag;
  }

  const forFront = selecting('front', '{ app: front, tier: gold }', subsetIs('v1'));
  const front = { app: 'front', tier: 'gold', more: 'x' };

  test('clients with all of its labels, and no others', async () => {
    expect(await versionFor(front, forFront)).toBe('v1');
    expect(await versionFor({ app: 'front' }, forFront)).toBe('NC');
    expect(await versionFor({}, forFront)).toBe('NC');
  });

  test('clients of its own namespace only, wherever the service is', async () => {
    expect(await versionFor(front, forFront, 'elsewhere')).toBe('NC');
    const inShop = selecting('front', '{ app: front }', subsetIs('v1'), 'shop');
    expect(await versionFor(front, inShop, 'web')).toBe('NC');
    expect(await versionFor(front, inShop, 'shop')).toBe('v1');
  });

  test('it goes before a rule for all, which is neither mixed into it nor lost for the others', async () => {
    const forAll = destinationRule(host, subsetIs('v2'), { name: 'a-rule', namespace: 'web' });
    expect(await versionFor(front, forAll + forFront)).toBe('v1');
    expect(await versionFor({ app: 'back' }, forAll + forFront)).toBe('v2');
    const other = destinationRule(host, subsetIs('v2').replace('chosen', 'other'), { namespace: 'web' });
    const toOther = other + forFront + toSubset('other').replace('name: rules', 'name: a-rules');
    expect(await versionFor(front, toOther)).toBe('NC');
    expect(await versionFor({}, toOther)).toBe('v2');
  });

  test('clients whom it does not select find the rule of the next namespace', async () => {
    const ofService = destinationRule(host, subsetIs('v3'), { namespace: 'shop' });
    expect(await versionFor(front, forFront + ofService)).toBe('v1');
    expect(await versionFor({}, forFront + ofService)).toBe('v3');
  });

  test('two that select in the same words are merged as any two (D2); of others the older counts', async () => {
    const more = selecting('more', '{ tier: gold, app: front }', 'subsets: [{ name: other, labels: { version: v2 } }]');
    const toOther = toSubset('other').replace('name: rules', 'name: a-rules');
    expect(await versionFor(front, forFront + more + toOther)).toBe('v2');
    const younger = selecting('younger', '{ app: front }', subsetIs('v3'));
    expect(await versionFor(front, forFront + younger)).toBe('v1');
    expect(await versionFor(front, younger + forFront)).toBe('v3');
  });

  test('without labels it selects every client of its namespace', async () => {
    const all = selecting('all', '{}', subsetIs('v1'));
    expect(await versionFor({}, all)).toBe('v1');
    expect(await versionFor({}, all, 'elsewhere')).toBe('NC');
  });

  test('may make the requests of its clients hashed', async () => {
    const hashed = selecting(
      'hashed',
      '{ app: front }',
      'trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: x-user } } }',
    );
    const placesFor = async (labels: Record<string, string>): Promise<number> => {
      const mesh = await Simulation.start({ yaml: hashed, workloads, client: { namespace: 'web', labels } });
      const calls = Array.from({ length: 40 }, () => mesh.call({ host, headers: { 'x-user': 'ada' } }).endpoint);
      return new Set(calls).size;
    };
    expect(await placesFor({ app: 'front' })).toBe(1);
    expect(await placesFor({ app: 'back' })).toBe(3);
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

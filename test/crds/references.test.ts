import { describe, expect, it } from 'vitest';
import { formatFieldErrors } from '../../proxy/common/decoded.ts';
import { checkReferences, MeshIndex, type SomeResource } from '../../crds/references.ts';

const named = (kind: string, name: string, spec: unknown, namespace = 'default'): SomeResource => ({
  kind,
  metadata: { name, namespace },
  spec,
});

const service = (name: string, namespace?: string): SomeResource =>
  named('Service', name, { ports: [{ port: 80 }] }, namespace);
const subsets = (host: string, names: readonly string[], namespace?: string): SomeResource =>
  named('DestinationRule', `${host}-${names.join('-')}`, { host, subsets: names.map((name) => ({ name })) }, namespace);
const routes = (name: string, hosts: readonly string[], to: object, namespace?: string): SomeResource =>
  named('VirtualService', name, { hosts, http: [{ route: [{ destination: to }] }] }, namespace);

interface Found {
  readonly errors: string;
  readonly warnings: string;
}

/** What is found in the last resource of a mesh. */
function check(resources: readonly SomeResource[], known: readonly string[] = [], previous?: SomeResource): Found {
  const mesh = new MeshIndex({ resources, serviceExists: (host) => known.includes(host) });
  const { errors, warnings } = checkReferences(resources.at(-1) as SomeResource, mesh, previous);
  return { errors: formatFieldErrors(errors), warnings: formatFieldErrors(warnings) };
}

const nothing: Found = { errors: '', warnings: '' };
const v3: Found = {
  errors:
    'spec.http[0].route[0].destination.subset: no DestinationRule of host "reviews" defines subset "v3", v1, v2 are defined',
  warnings: '',
};

describe('a destination', () => {
  const toV2 = routes('r', ['reviews'], { host: 'reviews', subset: 'v2' });
  const toV3 = routes('r', ['reviews'], { host: 'reviews', subset: 'v3' });

  it('is fine when host and subset are known', () => {
    expect(check([service('reviews'), subsets('reviews', ['v1', 'v2']), toV2])).toEqual(nothing);
  });

  it.each(['tcp', 'tls'])('of a %s rule is looked at like that of an HTTP rule', (kind) => {
    const toSubset = (subset: string) =>
      named('VirtualService', 'r', {
        hosts: ['reviews'],
        [kind]: [{ route: [{ destination: { host: 'reviews', subset } }] }],
      });
    expect(check([service('reviews'), subsets('reviews', ['v1', 'v2']), toSubset('v2')])).toEqual(nothing);
    expect(check([service('reviews'), subsets('reviews', ['v1', 'v2']), toSubset('v3')])).toEqual({
      ...v3,
      errors: v3.errors.replace('spec.http', `spec.${kind}`),
    });
  });

  it('is an error when the host is known and the subset is not', () => {
    expect(check([service('reviews'), subsets('reviews', ['v1', 'v2']), toV3])).toEqual(v3);
  });

  it('is an error when no DestinationRule speaks of the known host', () => {
    expect(check([service('reviews'), toV3]).errors).toBe(
      'spec.http[0].route[0].destination.subset: no DestinationRule of host "reviews" defines subset "v3", none is defined',
    );
  });

  it('is a warning while nobody knows the host', () => {
    expect(check([toV3])).toEqual({
      errors: '',
      warnings: [
        'spec.http[0].route[0].destination.host: no service "reviews" is known yet',
        'spec.http[0].route[0].destination.subset: no DestinationRule of host "reviews" defines subset "v3", none is defined',
      ].join('\n'),
    });
  });

  it.each([
    ['a workload that registered', [subsets('reviews', ['v1', 'v2'])], ['reviews.default.svc.cluster.local']],
    ['a ServiceEntry', [named('ServiceEntry', 'e', { hosts: ['reviews'] }), subsets('reviews', ['v1', 'v2'])], []],
    [
      'a ServiceEntry with a wildcard',
      [named('ServiceEntry', 'e', { hosts: ['*.svc.cluster.local'] }), subsets('reviews', ['v1', 'v2'])],
      [],
    ],
  ])('is known by %s', (_name, resources, known) => {
    expect(check([...resources, toV3], known)).toEqual(v3);
    expect(check([...resources, toV2], known)).toEqual(nothing);
  });

  it('may use subsets of several DestinationRules, also by full name and by wildcard', () => {
    const full = 'reviews.default.svc.cluster.local';
    for (const rule of [
      subsets(full, ['v3']),
      subsets('*.default.svc.cluster.local', ['v3']),
      subsets('Reviews', ['v3']),
    ]) {
      expect(check([service('reviews'), subsets('reviews', ['v1']), rule, toV3])).toEqual(nothing);
    }
    expect(
      check([service('reviews'), subsets('reviews', ['v1']), routes('r', ['reviews'], { host: full, subset: 'v1' })]),
    ).toEqual(nothing);
  });

  it('without a dot means a service in the namespace of its rule', () => {
    const inShop = routes('r', ['reviews'], { host: 'reviews', subset: 'v1' }, 'shop');
    expect(check([service('reviews'), subsets('reviews', ['v1']), inShop]).warnings).toContain(
      'no service "reviews" is known yet',
    );
    expect(check([service('reviews', 'shop'), subsets('reviews', ['v1'], 'shop'), inShop])).toEqual(nothing);
    expect(check([service('reviews', 'shop'), subsets('reviews', ['v1']), inShop]).errors).toContain('none is defined');
  });

  it('with a dot stays as it is written', () => {
    expect(check([service('reviews'), routes('r', ['a'], { host: 'reviews.default' })]).warnings).toContain(
      'no service "reviews.default" is known yet',
    );
  });
});

describe('two VirtualServices of one host', () => {
  const older = routes('older', ['reviews', 'ratings'], { host: 'reviews' });

  it('are a warning that names the winner, the older one', () => {
    const younger = routes('younger', ['details', 'reviews.default.svc.cluster.local'], { host: 'reviews' });
    expect(check([service('reviews'), older, younger]).warnings).toBe(
      'spec.hosts[1]: VirtualService default/older is older and has host "reviews.default.svc.cluster.local" too: it wins, this one is ignored for that host',
    );
  });

  it('are no matter for the winner', () => {
    const younger = routes('younger', ['reviews'], { host: 'reviews' });
    const mesh = new MeshIndex({ resources: [service('reviews'), older, younger], serviceExists: () => false });
    expect(checkReferences(older, mesh)).toEqual({ errors: [], warnings: [] });
  });

  it('are two hosts when the namespaces differ', () => {
    expect(
      check([service('reviews', 'shop'), older, routes('younger', ['reviews'], { host: 'reviews' }, 'shop')]),
    ).toEqual(nothing);
  });
});

describe('a DestinationRule', () => {
  const user = routes('user', ['reviews'], { host: 'reviews', subset: 'v2' });
  const before = subsets('reviews', ['v1', 'v2']);

  it('must keep a subset that a VirtualService routes to', () => {
    expect(check([service('reviews'), user, subsets('reviews', ['v1'])], [], before).errors).toBe(
      'spec.subsets: subset "v2" must stay: VirtualService default/user routes to it (spec.http[0].route[0].destination)',
    );
  });

  it('may lose it when another rule defines it, or nobody routes to it', () => {
    expect(
      check([service('reviews'), user, subsets('reviews', ['v2', 'v3']), subsets('reviews', ['v1'])], [], before),
    ).toEqual(nothing);
    expect(check([service('reviews'), subsets('reviews', ['v1'])], [], before)).toEqual(nothing);
  });

  it('of an unknown host is a warning', () => {
    expect(check([subsets('reviews', ['v1'])]).warnings).toBe('spec.host: no service "reviews" is known yet');
  });
});

describe('gateways', () => {
  const bound = (name: string, gateways: readonly string[], match?: object): SomeResource =>
    named('VirtualService', name, {
      hosts: ['reviews'],
      gateways,
      http: [{ ...(match === undefined ? {} : { match: [match] }), directResponse: { status: 200 } }],
    });
  const gateway = (name: string, namespace?: string): SomeResource =>
    named('Gateway', name, { servers: [] }, namespace);
  const unknown = (path: string, name: string): string =>
    `${path}: no Gateway ${name} is known yet: rules for it have no effect`;

  it('that nobody knows are a warning each, but for mesh', () => {
    expect(check([bound('a', ['mesh', 'shop/front'], { gateways: ['front', 'mesh'] })])).toEqual({
      errors: '',
      warnings: [
        unknown('spec.gateways[1]', 'shop/front'),
        unknown('spec.http[0].match[0].gateways[0]', 'default/front'),
      ].join('\n'),
    });
    expect(check([bound('a', ['mesh'], { gateways: ['mesh'] })])).toEqual(nothing);
  });

  it('are known by their full name, by the name alone in their own namespace, and by the old form', () => {
    const names = ['front', 'default/front', 'front.default.svc.cluster.local', 'shop/front'];
    expect(check([gateway('front'), gateway('front', 'shop'), bound('a', names)])).toEqual(nothing);
    expect(check([gateway('front', 'shop'), bound('a', ['front'])]).warnings).toBe(
      unknown('spec.gateways[0]', 'default/front'),
    );
  });

  it('have hosts of their own: rules for the mesh do not collide with them', () => {
    const [front, mesh] = [bound('g', ['front']), bound('m', ['mesh'])];
    expect(check([front, mesh])).toEqual(nothing);
    expect(check([mesh, front]).warnings).toBe(unknown('spec.gateways[0]', 'default/front'));
    expect(check([bound('older', ['mesh', 'front']), mesh]).warnings).toMatch(/older is older/);
  });
});

describe('a Gateway', () => {
  const server = (protocol: string, hosts: readonly string[] = ['*'], more: object = {}): object => ({
    port: { number: 80, name: protocol, protocol },
    hosts,
    ...(protocol === 'HTTPS' ? { tls: { mode: 'SIMPLE' } } : {}),
    ...more,
  });
  const front = (name: string, servers: readonly object[], selector: object = { istio: 'edge' }): SomeResource =>
    named('Gateway', name, { servers, selector });
  const taken = (why: string, owner = 'default/older'): string =>
    `spec.servers[0]: is not served at port 80: Gateway ${owner} is older and ${why}`;

  it('is warned about where an older one has its port for something else', () => {
    const older = front('older', [server('HTTP')]);
    expect(check([older, front('g', [server('TCP')])]).warnings).toBe(taken('is HTTP there'));
    expect(check([older, front('g', [server('HTTPS')])]).warnings).toBe(taken('is HTTP there'));
    const secure = front('older', [server('HTTPS', ['a.com'])]);
    expect(check([secure, front('g', [server('HTTPS', ['a.com'])])]).warnings).toBe(taken('has host "a.com" there'));
  });

  it('is fine where it shares the port, has another address, or is for other proxies', () => {
    const older = front('older', [server('HTTP')]);
    expect(check([older, front('g', [server('HTTP')])])).toEqual(nothing);
    expect(check([older, front('g', [server('TCP', ['*'], { bind: '10.0.0.1' })])])).toEqual(nothing);
    expect(check([older, front('g', [server('TCP')], { istio: 'other' })])).toEqual(nothing);
    expect(check([front('older', [server('HTTPS', ['a.com'])]), front('g', [server('HTTPS', ['b.com'])])])).toEqual(
      nothing,
    );
  });

  it('is warned about where its own servers exclude each other', () => {
    expect(check([front('g', [server('HTTP'), server('TCP')])]).warnings).toBe(
      'spec.servers[1]: is not served at port 80: an earlier one of its own is HTTP there',
    );
  });
});

describe('a delegate', () => {
  const root = named('VirtualService', 'root', { hosts: ['reviews'], http: [{ delegate: { name: 'part' } }] });
  const part = (namespace?: string): SomeResource =>
    named('VirtualService', 'part', { http: [{ directResponse: { status: 200 } }] }, namespace);
  const missing =
    'spec.http[0].delegate: no VirtualService default/part without hosts is known yet: the rule has no effect';

  it('is fine when it is known', () => {
    expect(check([part(), root])).toEqual(nothing);
  });

  it('is a warning while it is not, or has hosts, or lives elsewhere', () => {
    expect(check([root])).toEqual({ errors: '', warnings: missing });
    expect(check([routes('part', ['a'], { host: 'a' }), root]).warnings).toBe(missing);
    expect(check([part('shop'), root]).warnings).toBe(missing);
  });
});

describe('a Canary', () => {
  const canary = (name: string, primary = 'v1', next = 'v2'): SomeResource =>
    named('Canary', name, { host: 'reviews', subsets: { primary, canary: next } });
  const rule = (labels: Readonly<Record<string, object>>): SomeResource =>
    named('DestinationRule', 'rule', {
      host: 'reviews',
      subsets: Object.entries(labels).map(([name, selected]) => ({ name, labels: selected })),
    });
  const byVersion = rule({ v1: { version: 'v1' }, v2: { version: 'v2' } });
  const reviews = service('reviews');

  it('is fine with subsets that are told apart by version', () => {
    expect(check([reviews, byVersion, canary('a')])).toEqual(nothing);
  });

  it('may come before its subsets, and waits for them', () => {
    const { errors, warnings } = check([reviews, canary('a')]);
    expect(errors).toBe('');
    expect(warnings).toContain('spec.subsets.primary: no DestinationRule of host "reviews" defines subset "v1" yet');
  });

  it.each([
    [
      'another label',
      { v1: { version: 'v1' }, v2: { track: 'canary' } },
      'spec.subsets.canary: subset "v2" must select by the label version alone',
    ],
    [
      'more than the version',
      { v1: { version: 'v1', a: 'b' }, v2: { version: 'v2' } },
      'spec.subsets.primary: subset "v1" must select by',
    ],
    ['nothing', { v1: {}, v2: { version: 'v2' } }, 'spec.subsets.primary: subset "v1" must select by'],
    [
      'the same version',
      { v1: { version: 'x' }, v2: { version: 'x' } },
      'spec.subsets.canary: must select another version than primary, both select "x"',
    ],
  ])('whose subsets select by %s is refused: its requests could not be counted', (_, labels, error) => {
    expect(check([reviews, rule(labels), canary('a')]).errors).toContain(error);
  });

  it('of a host that another one releases is refused', () => {
    expect(check([reviews, byVersion, canary('a'), canary('b')]).errors).toBe(
      'spec.host: Canary default/a releases host "reviews" already',
    );
  });

  it('may name gateways that are still to come, and is told so', () => {
    const spec = { host: 'reviews', subsets: { primary: 'v1', canary: 'v2' }, gateways: ['mesh', 'front'] };
    const { warnings } = check([reviews, byVersion, named('Canary', 'a', spec)]);
    expect(warnings).toContain('spec.gateways[1]: no Gateway default/front is known yet');
    expect(warnings).toContain('spec.gateways: the share is in force there alone, the versions are judged on all');
  });

  it('is warned about while one of its subsets has no endpoint', () => {
    const warningsWith = (...versions: readonly string[]): string => {
      const endpointsOf = (host: string) =>
        host === 'reviews.default.svc.cluster.local' ? versions.map((version) => ({ labels: { version } })) : [];
      const mesh = new MeshIndex({
        resources: [reviews, byVersion, canary('a')],
        serviceExists: () => false,
        endpointsOf,
      });
      return formatFieldErrors(checkReferences(canary('a'), mesh).warnings);
    };
    expect(warningsWith('v1', 'v2')).toBe('');
    expect(warningsWith('v1')).toBe(
      'spec.subsets.canary: subset "v2" has no endpoint: none of version "v2" is registered, the release waits for one',
    );
    expect(warningsWith()).toMatch(/^spec\.subsets\.primary: .*\nspec\.subsets\.canary: /);
  });

  describe('and Telemetry', () => {
    const telemetry = (override: object): SomeResource =>
      named('Telemetry', 'lean', { selector: { matchLabels: { app: 'web' } }, metrics: [{ overrides: [override] }] });
    const noVersion = telemetry({ tagOverrides: { destination_version: { operation: 'REMOVE' } } });
    const release = [reviews, byVersion, canary('a')];

    it('that takes away a label by which it is judged: both are warned about', () => {
      expect(check([...release, noVersion]).warnings).toBe(
        'spec.metrics[0].overrides[0].tagOverrides.destination_version: a release needs it: with no label "destination_version" of the traffic, Canary default/a does not count requests of these workloads',
      );
      expect(check([noVersion, ...release]).warnings).toBe(
        'spec.host: Telemetry default/lean (spec.metrics[0].overrides[0].tagOverrides.destination_version) leaves the release with no label "destination_version" of the traffic: requests of its workloads are not counted',
      );
    });

    it.each([
      ['the number of requests', { match: { metric: 'REQUEST_COUNT' }, disabled: true }, 'with no REQUEST_COUNT'],
      ['everything', { disabled: true }, 'with no ALL_METRICS'],
      ['the code', { tagOverrides: { response_code: { value: '"200"' } } }, 'with no label "response_code"'],
    ])('that hides %s is warned about', (_, override, warning) => {
      expect(check([...release, telemetry(override)]).warnings).toContain(warning);
    });

    it.each([
      ['sizes', { match: { metric: 'REQUEST_SIZE' }, disabled: true }],
      ['a label that nobody is judged by', { tagOverrides: { source_principal: { operation: 'REMOVE' } } }],
      [
        'a label of sizes',
        { match: { metric: 'REQUEST_SIZE' }, tagOverrides: { response_code: { operation: 'REMOVE' } } },
      ],
    ])('that hides %s is none of its business', (_, override) => {
      expect(check([...release, telemetry(override)])).toEqual(nothing);
    });

    it("without a release is nobody's loss", () => {
      expect(check([noVersion])).toEqual(nothing);
    });
  });

  it('keeps its subsets from being taken away', () => {
    const before = subsets('reviews', ['v1', 'v2']);
    expect(check([reviews, canary('a'), subsets('reviews', ['v1'])], [], before).errors).toBe(
      'spec.subsets: subset "v2" must stay: Canary default/a routes to it (spec.subsets.canary)',
    );
  });
});

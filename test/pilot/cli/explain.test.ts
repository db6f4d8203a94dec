import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Explanation } from '../../../pilot/cli/explain/explanation.ts';
import { type Ran, runCommand } from '../../support/command.ts';
import { destinationRule, kubernetesService, reviewsSubsets, virtualService } from '../../simulation/yaml.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'heddle-explain-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

const write = (yaml: string, name = 'mesh.yaml'): string => {
  writeFileSync(join(dir, name), yaml);
  return join(dir, name);
};
const explain = (yaml: string, ...args: string[]): Promise<Ran> => {
  write(yaml);
  return runCommand({ args: ['explain', '-f', join(dir, 'mesh.yaml'), ...args] });
};
async function explained(yaml: string, ...args: string[]): Promise<Explanation> {
  const { stdout, stderr, code } = await explain(yaml, '-o', 'json', ...args);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Explanation;
}
const verdicts = ({ matches }: Explanation): string[] =>
  matches.map(({ rule, match, verdict, reason }) => `${rule}.${match ?? '-'} ${verdict}: ${reason}`);
const toReviews = (subset: string): string => `route: [{ destination: { host: reviews, subset: ${subset} } }]`;

test('hosts whose health is checked are taken to be well: an explanation asks nobody', async () => {
  const entry = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api, namespace: default }
spec:
  hosts: [api.example.com]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 192.0.2.7 }]
`;
  const rule = destinationRule('api.example.com', 'trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } }').replace(
    'namespace: default }',
    'namespace: default, annotations: { heddle.dev/health-check: tcp } }',
  );
  const { outcome } = await explained(`${entry}---${rule}`, '--url', 'http://api.example.com/');
  expect([outcome.kind, outcome.flag]).toEqual(['forward', '-']);
});

test('a call of gRPC is explained like every other request', async () => {
  const yaml =
    kubernetesService('reviews', '[{ name: grpc, port: 50051 }]') +
    reviewsSubsets +
    virtualService('reviews', `[{ match: [{ uri: { prefix: /shop.Reviews/ } }], ${toReviews('v2')} }]`);
  const args = ['--method', 'POST', '-H', 'content-type: application/grpc'];
  const { destination, outcome, matches, inForce } = await explained(
    yaml,
    ...args,
    '--url',
    'http://reviews:50051/shop.Reviews/Get',
  );
  expect(outcome).toMatchObject({ kind: 'forward', flag: '-' });
  expect(destination).toMatchObject({
    subset: 'v2',
    cluster: 'outbound|50051|v2|reviews.default.svc.cluster.local',
    port: 50_051,
  });
  expect(matches.map(({ verdict }) => verdict)).toEqual(['taken']);
  expect(inForce).toContainEqual({ what: 'endpoint', how: 'is spoken to in HTTP/2' });
});

describe('which rule takes a request, and why not those before it', () => {
  const rules =
    reviewsSubsets +
    virtualService(
      'reviews',
      `
  - name: testers
    match:
    - headers: { end-user: { exact: jason } }
    - uri: { prefix: /beta }
      queryParams: { page: { regex: '[0-9]+' } }
    ${toReviews('v2')}
  - name: everybody
    ${toReviews('v1')}
  - match: [{ uri: { exact: /late } }]
    ${toReviews('v2')}`,
    );

  test('S1: the first rule that matches is taken, and later ones are not asked', async () => {
    const taken = await explained(rules, '--url', 'http://reviews/', '-H', 'end-user: jason');
    expect(verdicts(taken).slice(0, 3)).toEqual([
      '0.0 taken: all conditions hold',
      '0.1 not asked: an earlier rule was taken',
      '1.- not asked: an earlier rule was taken',
    ]);
    expect(taken.destination).toMatchObject({
      subset: 'v2',
      cluster: 'outbound|80|v2|reviews.default.svc.cluster.local',
      why: 'the only destination',
    });
  });

  test('S2: of each match the first condition that fails is named, with what was expected and what came', async () => {
    const other = await explained(rules, '--url', 'http://reviews/beta?page=x', '-H', 'end-user: ann');
    expect(verdicts(other).slice(0, 2)).toEqual([
      '0.0 no match: header end-user: expected exact "jason", the request has "ann"',
      '0.1 no match: query parameter page: expected regex "[0-9]+", the request has "x"',
    ]);
    const none = await explained(rules, '--url', 'http://reviews/x');
    expect(verdicts(none).slice(0, 3)).toEqual([
      '0.0 no match: no header end-user, expected exact "jason"',
      '0.1 no match: path: expected prefix "/beta", the request has "/x"',
      '1.- taken: all conditions hold',
    ]);
  });

  test('S3: what stands behind a rule for everything is said to be unreachable', async () => {
    const { matches } = await explained(rules, '--url', 'http://reviews/late');
    expect(matches.at(-1)).toMatchObject({
      verdict: 'unreachable',
      reason: 'http[1] "everybody" takes every request that comes so far',
    });
  });

  test('rules are named with file and line', async () => {
    const { matches, rules: inForce } = await explained(rules, '--url', 'http://reviews/');
    expect(inForce).toMatchObject({ name: 'default/rules' });
    const lines = rules.split('\n');
    const lineOf = (text: string): number => lines.findIndex((line) => line.includes(text)) + 1;
    expect(matches[0]?.place).toBe(`${join(dir, 'mesh.yaml')}:${lineOf('end-user')}`);
    expect(matches[2]?.place).toBe(`${join(dir, 'mesh.yaml')}:${lineOf('name: everybody')}`);
  });

  test('S5, S6: rules for other clients, namespaces and ports say so', async () => {
    const yaml =
      reviewsSubsets +
      virtualService(
        'reviews',
        `
  - match:
    - sourceLabels: { app: web }
    - sourceNamespace: shop
    - port: 8080
    ${toReviews('v2')}
  - ${toReviews('v1')}`,
      );
    expect(verdicts(await explained(yaml, '--url', 'http://reviews/'))).toEqual([
      '0.0 not for this client: sourceLabels: expected app=web, the client has none',
      '0.1 not for this client: sourceNamespace: expected shop, the client is in default',
      '0.2 not for this client: port: expected 8080, the request is for 80',
      '1.- taken: all conditions hold',
    ]);
    const web = await explained(yaml, '--url', 'http://reviews/', '--source-labels', 'app=web');
    expect(web.destination?.subset).toBe('v2');
  });

  test('S31: rules of a delegate are named with it, and one that is not there says so', async () => {
    const yaml =
      kubernetesService('reviews', '[{ name: http, port: 80 }]') +
      virtualService(
        'reviews',
        '[{ match: [{ uri: { prefix: /a } }], delegate: { name: part } }, { delegate: { name: lost } }]',
      ) +
      `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: part }
spec: { http: [{ name: inner, route: [{ destination: { host: reviews } }] }] }
`;
    const explanation = await explained(yaml, '--url', 'http://reviews/a');
    expect(explanation.matches).toMatchObject([
      { rule: 0, delegate: 'default/part', verdict: 'taken' },
      { rule: 1, delegate: 'default/lost', verdict: 'unreachable' },
    ]);
  });
});

describe('which host', () => {
  test('S19, S20: exact name, wildcard, and the default route where no rules are', async () => {
    const service = kubernetesService('reviews', '[{ name: http, port: 80 }]');
    const plain = await explained(service, '--url', 'http://reviews.default/');
    expect(plain.virtualHost?.why).toBe('exact name reviews.default');
    expect([plain.rules, plain.route]).toEqual([undefined, 'default']);
    const wild = virtualService('*.example.com', '[{ directResponse: { status: 204 } }]');
    const { virtualHost, outcome } = await explained(wild, '--url', 'http://a.example.com/');
    expect([virtualHost?.why, outcome.kind, outcome.status]).toEqual([
      'wildcard *.example.com',
      'direct response',
      204,
    ]);
  });

  test('a host that nobody declared is reached where the request says itself, and nothing is looked up', async () => {
    const { outcome, destination } = await explained(reviewsSubsets, '--url', 'http://other.example.com:8080/x');
    expect(outcome.kind).toBe('forward');
    expect(destination).toMatchObject({ cluster: 'PassthroughCluster', host: 'other.example.com', port: 8080 });
  });

  test('S33: an unknown host is 404 NR, an unmatched request too, an unknown cluster 503 NC, each with its reason', async () => {
    const yaml =
      reviewsSubsets +
      virtualService(
        'reviews',
        `
  - match: [{ uri: { prefix: /nowhere } }]
    route: [{ destination: { host: reviws } }]
  - match: [{ uri: { exact: /a } }]
    ${toReviews('v1')}`,
      );
    const outcomeOf = async (url: string): Promise<Explanation['outcome']> =>
      (await explained(yaml, '--url', url)).outcome;
    expect(await outcomeOf('http://other/')).toMatchObject({
      status: 404,
      flag: 'NR',
      sentence: 'no service and no rule has the host "other"',
    });
    expect(await outcomeOf('http://reviews/b')).toMatchObject({
      status: 404,
      flag: 'NR',
      sentence: 'no rule of reviews.default.svc.cluster.local:80 matches the request',
    });
    expect(await outcomeOf('http://reviews/nowhere')).toMatchObject({
      status: 503,
      flag: 'NC',
      sentence: 'the cluster outbound|80||reviws.default.svc.cluster.local of the route is not known',
    });
  });
});

describe('what becomes of the request', () => {
  test('S15: a weighted destination tells its share and the point that was drawn; the seed decides', async () => {
    const yaml =
      reviewsSubsets +
      virtualService(
        'reviews',
        `[{ route: [{ destination: { host: reviews, subset: v1 }, weight: 3 }, { destination: { host: reviews, subset: v2 }, weight: 1 }] }]`,
      );
    const subsets = new Set<string | undefined>();
    for (let seed = 1; seed <= 12; seed++) {
      const { destination } = await explained(yaml, '--url', 'http://reviews/', '--seed', String(seed));
      subsets.add(destination?.subset);
      const [, share, from, to, drawn] =
        /^weighted, (\d+) %: from (\d+) to (\d+), drawn ([\d.]+)$/.exec(destination?.why ?? '') ?? [];
      expect(share).toBe(destination?.subset === 'v1' ? '75' : '25');
      expect(Number(drawn)).toBeGreaterThanOrEqual(Number(from));
      expect(Number(drawn)).toBeLessThanOrEqual(Number(to));
    }
    expect(subsets).toEqual(new Set(['v1', 'v2']));
  });

  test('S28, S29, S21: path, Host, headers, timeout and retries as they go upstream', async () => {
    const yaml =
      destinationRule('reviews', 'trafficPolicy: { loadBalancer: { simple: RANDOM } }') +
      virtualService(
        'reviews',
        `
  - match: [{ uri: { prefix: /old/ } }]
    rewrite: { uri: /new/, authority: inner }
    headers: { request: { set: { x-a: '1' }, remove: [cookie] }, response: { add: { x-b: '2' } } }
    timeout: 2s
    retries: { attempts: 3, retryOn: '5xx,429', perTryTimeout: 500ms }
    route: [{ destination: { host: reviews } }]`,
      );
    const { upstream, response, inForce, timeoutMs, destination } = await explained(
      yaml,
      '--url',
      'http://reviews/old/x?q',
      '-H',
      'cookie: a=b',
    );
    expect(upstream).toMatchObject({
      path: '/new/x?q',
      host: 'inner',
      headers: { set: { 'x-a': '1', 'x-envoy-original-path': '/old/x?q' }, removed: ['cookie'] },
    });
    expect(response).toEqual({ 'x-b': '2' });
    expect(timeoutMs).toBe(2000);
    expect(inForce).toContainEqual({
      what: 'retries',
      how: '3 after the first attempt, on 5xx,429, 500 ms per try, back-off from 25 ms to 250 ms, other endpoints first',
    });
    expect(inForce).toContainEqual({ what: 'load balancer', how: 'RANDOM' });
    expect(destination?.destinationRules[0]?.name).toBe('default/rule');
  });

  test('the text shows every header as it is sent, marks what rules change, and cuts what no line can hold', async () => {
    const headers = "headers: { request: { set: { x-a: '1', x-b: '2' }, remove: [cookie] } }";
    const yaml = virtualService('reviews', `[{ ${headers}, route: [{ destination: { host: reviews } }] }]`);
    const given = ['x-b: 1', 'cookie: a=b', `x-long: ${'y'.repeat(1_000)}`].flatMap((header) => ['-H', header]);
    const { stdout } = await explain(yaml, '--url', 'http://reviews/x', ...given);
    const [, text = ''] = stdout.split('upstream        ');
    const lines = text.trimEnd().split(/\n {18}/);
    expect(lines.slice(0, 2)).toEqual(['GET /x', '  host: reviews']);
    expect(lines).toContain('+ x-a: 1');
    expect(lines).toContain('+ x-b: 2');
    expect(lines).toContain('- cookie');
    expect(lines).toContain(`  x-long: ${'y'.repeat(80)}\u2026 (1000 characters)`);
    expect(text).toMatch(/ {2}x-request-id: [0-9a-f-]{36}\n/);
  });

  test('B1, B6: the default retries, and whether this method is repeated on a connection that broke, are told', async () => {
    const service = kubernetesService('reviews', '[{ name: http, port: 80 }]');
    const retriesOf = async (...args: string[]): Promise<(string | undefined)[]> => {
      const { inForce } = await explained(service, '--url', 'http://reviews/', ...args);
      return ['retries', 'reset if reused'].map((wanted) => inForce.find(({ what }) => what === wanted)?.how);
    };
    const [retries, get] = await retriesOf();
    expect(retries).toContain('2 after the first attempt, on connect-failure,refused-stream');
    expect(get).toBe('repeated once');
    expect((await retriesOf('--method', 'POST'))[1]).toBe('not repeated, POST has no idempotency-key');
    expect((await retriesOf('--method', 'POST', '-H', 'idempotency-key: 1'))[1]).toBe('repeated once');
  });

  test('B5: a sticky split tells the key and its hash', async () => {
    const split = virtualService(
      'reviews',
      '[{ route: [{ destination: { host: reviews, subset: v1 }, weight: 1 }, { destination: { host: reviews, subset: v2 }, weight: 1 }] }]',
    ).replace('namespace: default }', "namespace: default, annotations: { heddle.dev/sticky: 'header:user' } }");
    const { destination } = await explained(reviewsSubsets + split, '--url', 'http://reviews/', '-H', 'user: ann');
    expect(destination?.why).toMatch(/^sticky, by header user "ann": hash \d+ is at [\d.]+; weighted, 50 %/);
  });

  test('S27: a redirect tells its Location', async () => {
    const yaml = virtualService('reviews', '[{ redirect: { uri: /new, redirectCode: 308 } }]');
    expect((await explained(yaml, '--url', 'http://reviews/a')).outcome).toMatchObject({
      kind: 'redirect',
      status: 308,
      location: 'http://reviews/new',
    });
  });

  test('S25, S26: faults that hit and mirrors are told', async () => {
    const yaml = virtualService(
      'reviews',
      `
  - match: [{ uri: { prefix: /abort } }]
    fault: { abort: { httpStatus: 418, percentage: { value: 100 } } }
    route: [{ destination: { host: reviews } }]
  - fault: { delay: { fixedDelay: 5s, percentage: { value: 100 } } }
    mirror: { host: reviews }
    mirrorPercentage: { value: 25 }
    route: [{ destination: { host: reviews } }]`,
    );
    const aborted = await explained(yaml, '--url', 'http://reviews/abort');
    expect(aborted.outcome).toMatchObject({ status: 418, flag: 'FI' });
    const delayed = await explained(yaml, '--url', 'http://reviews/');
    expect(delayed.outcome.kind).toBe('forward');
    expect(delayed.inForce).toContainEqual({ what: 'fault', how: 'delay 5 s for 100 %, this one too' });
    expect(delayed.inForce.find(({ what }) => what === 'mirror')?.how).toMatch(/^25 % to outbound\|80\|\|reviews/);
  });
});

describe('as a test', () => {
  const yaml = reviewsSubsets + virtualService('reviews', `[{ name: all, timeout: 1s, ${toReviews('v1')} }]`);
  const url = ['--url', 'http://reviews/'];

  test('what is fulfilled is no failure', async () => {
    const asserts = ['subset=v1', 'rule=all', 'timeout=1s', 'flag=-', 'path=/', 'header.x-envoy-attempt-count=1'];
    const { code, stderr } = await explain(yaml, ...url, ...asserts.flatMap((each) => ['--assert', each]));
    expect([code, stderr.replaceAll(/^note: .*\n/gm, '')]).toEqual([0, '']);
  });

  test('what is not fulfilled is told in one sentence, with exit code 1', async () => {
    const { code, stderr } = await explain(yaml, ...url, '--assert', 'subset=v2');
    expect(code).toBe(1);
    expect(stderr).toContain(
      'heddle: GET http://reviews/: expected subset "v2", got "v1" (goes to reviews.default.svc.cluster.local:80 subset v1)\n',
    );
  });

  test('a file of requests names the line of the one that fails, and coverage lists what none reached', async () => {
    const requests = write(
      '- url: http://reviews/\n- url: http://nobody/\n  expect: { status: 200 }\n',
      'requests.yml',
    );
    const { code, stdout, stderr } = await explain(yaml, '--requests', requests, '--coverage');
    expect(code).toBe(1);
    expect(stderr).toContain(`${requests}:2: GET http://nobody/: expected status "200", got "404"`);
    expect(stdout).toContain('every match was reached');
  });

  test('a rule that no request reached fails only when that is asked for', async () => {
    const more =
      reviewsSubsets + virtualService('reviews', `[{ match: [{ uri: { prefix: /a } }], ${toReviews('v1')} }]`);
    const covered = await explain(more, ...url, '--coverage');
    expect([covered.code, covered.stdout.includes('default/rules http[0].match[0]')]).toEqual([0, true]);
    expect((await explain(more, ...url, '--fail-uncovered')).code).toBe(1);
    expect((await explain(more, '--url', 'http://reviews/a', '--fail-uncovered')).code).toBe(0);
  });
});

describe('bad input', () => {
  test.each([
    [['--url', 'reviews'], '"reviews" is no URL like http://reviews/path'],
    [['--url', 'http://reviews/', '-H', 'nonsense'], '"nonsense" is no header like "end-user: jason"'],
    [['--url', 'http://reviews/', '--source-labels', 'x'], '"x" is no label'],
    [['--url', 'http://reviews/', '--assert', 'subst=v1'], 'unknown expectation "subst"'],
    [['--url', 'http://reviews/', '--seed', '-1'], '--seed must be a whole number >= 0'],
    [[], '--url or --requests is required'],
  ])('%j is a usage error', async (args, message) => {
    const { code, stderr } = await explain(kubernetesService('reviews', '[{ name: http, port: 80 }]'), ...args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  test('invalid resources show what apply shows', async () => {
    const { code, stderr } = await explain(virtualService('reviews', '[{ route: [] }]'), '--url', 'http://reviews/');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^heddle: nothing was explained\n.*mesh\.yaml:\d+: spec\.http\[0\]/);
    expect((await explain('a: [', '--url', 'http://reviews/')).code).toBe(1);
  });
});

test('the example folder is what its requests expect', async () => {
  const { code, stdout, stderr } = await runCommand({
    args: ['explain', '-f', 'examples/explain/rules', '--requests', 'examples/explain/requests.yaml', '--coverage'],
  });
  expect(stderr).not.toContain('expected');
  expect(code).toBe(0);
  expect(stdout).toContain('-> http[3] "everybody"');
  expect(stdout).toContain('default/reviews http[4].match[0] "forgotten"');
});

describe('the check rules at the destination', () => {
  const checkRule = (name: string, spec: string): string => `
---
apiVersion: networking.heddle.dev/v1alpha1
kind: CheckRule
metadata: { name: ${name}, namespace: default }
spec: { host: reviews, ${spec} }
`;
  const checksOf = async (yaml: string, ...args: string[]): Promise<string[]> => {
    const { inForce } = await explained(reviewsSubsets + yaml, ...args);
    return inForce.filter(({ what }) => what === 'check rule').map(({ how }) => how);
  };

  test('are told one by one, with the conditions that do not hold', async () => {
    const yaml =
      checkRule('a', 'action: ALLOW, match: [{ source: { labels: { app: shop } }, headers: { x-user: {} } }]') +
      checkRule('b', 'action: DENY, match: [{ methods: [DELETE] }, { paths: [{ prefix: /admin }] }]') +
      checkRule(
        'c',
        'action: DENY, mode: SHADOW, match: [{ time: { notAfter: "2020-01-01T00:00:00Z" } }, { ports: [1] }]',
      ) +
      checkRule('d', 'action: DENY, denyWith: { status: 451 }, match: [{ source: { ipBlocks: [10.0.0.0/8] } }]') +
      checkRule('e', 'action: ALLOW, match: [{ lists: [{ attribute: method, values: [PUT] }] }]');
    const url = ['--url', 'http://reviews/admin/x?y'];
    const asked = await checksOf(yaml, ...url, '--source-labels', 'app=shop', '-H', 'x-user: ann');
    expect(asked.map((how) => how.replace(/it is \d[^,;]+/, 'it is NOW'))).toEqual([
      'default/b DENY: denies it, with 403',
      'default/c DENY: does not match: it is NOW; the port is 80 (only counted)',
      'default/d DENY: denies it, with 451 if ipBlocks 10.0.0.0/8 hold',
      'default/a ALLOW: allows it',
      'default/e ALLOW: does not match: lists[0]',
    ]);
    const [, , , allowing] = await checksOf(yaml, ...url, '--source-labels', 'app=web');
    expect(allowing).toBe('default/a ALLOW: does not match: headers, the client has other labels');
  });

  test('of other hosts are not told', async () => {
    const yaml = checkRule('a', 'action: DENY').replace('host: reviews', 'host: ratings');
    expect(await checksOf(yaml, '--url', 'http://reviews/')).toEqual([]);
  });
});

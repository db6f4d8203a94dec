import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { revisionOf } from '../../../crds/canary.ts';
import type { Explanation } from '../../../pilot/cli/explain/explanation.ts';
import { PilotServer } from '../../../pilot/server.ts';
import { silentLogger } from '../../../proxy/common/log.ts';
import { type Ran, runCommand } from '../../support/command.ts';
import { kubernetesService, reviewsSubsets, virtualService } from '../../simulation/yaml.ts';

const toSubset = (subset: string): string =>
  virtualService('reviews', `[{ route: [{ destination: { host: reviews, subset: ${subset} } }] }]`);

describe('explain with a running control plane', () => {
  let dir: string;
  let pilot: PilotServer;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'heddle-explain-live-'));
    pilot = new PilotServer({
      dataDir: join(dir, 'data'),
      host: '127.0.0.1',
      restPort: 0,
      xdsPort: 0,
      logger: silentLogger,
      mixerAddress: { address: '127.0.0.1', port: 1 },
    });
    await pilot.start();
  });

  afterEach(async () => {
    await pilot.close();
    rmSync(dir, { recursive: true });
  });

  const server = (): string => `http://127.0.0.1:${pilot.restPort}`;
  const heddle = (args: readonly string[], stdin = ''): Promise<Ran> =>
    runCommand({ args, stdin, env: { HEDDLE_SERVER: server() } });
  const explained = async (...args: string[]): Promise<Explanation> => {
    const { stdout, stderr } = await heddle(['explain', '-o', 'json', '--url', 'http://reviews/', ...args]);
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as Explanation;
  };

  test('without -f it explains what is in force, and knows that nobody listens', async () => {
    await heddle(
      ['apply', '-f', '-'],
      kubernetesService('reviews', '[{ name: http, port: 80 }]') + reviewsSubsets + toSubset('v1'),
    );
    const { outcome, destination, rules } = await explained();
    expect(destination).toMatchObject({ subset: 'v1', endpoints: 0 });
    expect(outcome).toMatchObject({ status: 503, flag: 'UH' });
    expect(rules).toEqual({ name: 'default/rules' });
  });

  test('with -f and --server it tells what would change, and changes nothing', async () => {
    await heddle(
      ['apply', '-f', '-'],
      `${kubernetesService('reviews', '[{ name: http, port: 80 }]')}${reviewsSubsets}${toSubset('v1')}---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: one }
spec: { address: 10.0.0.1, labels: { app: reviews, version: v2 } }
`,
    );
    const file = join(dir, 'next.yaml');
    writeFileSync(file, toSubset('v2'));
    const next = await explained('-f', file, '--server', server());
    expect(next.destination).toMatchObject({ subset: 'v2', endpoints: 1 });
    expect(next.outcome.kind).toBe('forward');
    expect(next.rules?.place).toBe(`${file}:3`);
    expect((await explained()).destination?.subset).toBe('v1');
  });

  test('a control plane that does not answer is exit code 3', async () => {
    const { code, stderr } = await runCommand({
      args: ['explain', '--url', 'http://reviews/', '--server', 'http://127.0.0.1:1'],
    });
    expect(code).toBe(3);
    expect(stderr).toContain('cannot be reached');
  });

  test('a Canary that decides the share is named, with the rule that users wrote', async () => {
    const analysis = { match: [{ headers: { 'x-test': { exact: 'yes' } } }] };
    const spec = { host: 'reviews', subsets: { primary: 'v1', canary: 'v2' }, analysis };
    const written = virtualService(
      'reviews',
      `[{ name: closed, match: [{ uri: { exact: /closed } }], directResponse: { status: 403 } },
        { name: rest, route: [{ destination: { host: reviews } }] }]`,
    );
    const canary = {
      apiVersion: 'networking.heddle.dev/v1alpha1',
      kind: 'Canary',
      metadata: { name: 'reviews' },
      spec,
    };
    const service = kubernetesService('reviews', '[{ name: http, port: 80 }]');
    const { stderr } = await heddle(
      ['apply', '-f', '-'],
      `${service}${reviewsSubsets}${written}---\n${JSON.stringify(canary)}`,
    );
    expect(stderr.split('\n').filter((line) => line !== '')).toEqual(
      ['primary', 'canary'].map((name) => expect.stringMatching(`spec.subsets.${name}: .* has no endpoint`)),
    );
    expect((await explained()).release).toMatchObject({ canary: 'default/reviews', phase: 'not begun', weight: 0 });

    const routing = { weight: 25, toMatched: true, mirrorPercent: 0 };
    const status = { phase: 'Progressing', revision: revisionOf(spec), routing };
    const at = `${server()}/apis/networking.heddle.dev/v1alpha1/namespaces/default/canaries/reviews/status`;
    await fetch(at, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ status }),
    });
    const everybody = await explained();
    expect(everybody.release?.why).toBe('25 % of the requests go to subset v2, 75 % to v1 (Progressing)');
    expect(everybody.matches.map(({ rule, ruleName, verdict }) => [rule, ruleName, verdict])).toEqual([
      [0, 'closed', 'no match'],
      [1, 'rest-canary', 'no match'],
      [1, 'rest', 'taken'],
    ]);
    const tester = await explained('-H', 'x-test: yes');
    expect(tester.release?.why).toBe('test users all go to subset v2 (Progressing)');
    expect(tester.destination).toMatchObject({ subset: 'v2' });
    const asserted = (...asserts: readonly string[]) =>
      heddle(['explain', '--url', 'http://reviews/', ...asserts.flatMap((each) => ['--assert', each])]);
    expect((await asserted('canary=default/reviews', 'canary=reviews', 'weight=25')).code).toBe(0);
    const failed = await asserted('weight=50');
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('expected weight "50", got "25"')]);
    const closed = await heddle(['explain', '--url', 'http://reviews/closed', '--assert', 'canary=reviews']);
    expect(closed.stderr).toContain('expected canary "reviews", got none');
    const { stdout } = await heddle(['explain', '--url', 'http://reviews/', '-H', 'x-test: yes']);
    expect(stdout).toContain('Canary          default/reviews: test users all go to subset v2 (Progressing)');
    expect(stdout).toContain('-> http[1] "rest-canary" match[0], test users of Canary default/reviews');
    expect((await explained('--url', 'http://reviews/closed')).release).toBeUndefined();
  });

  test('a Canary of a host without rules is named, and no VirtualService', async () => {
    const spec = { host: 'reviews', subsets: { primary: 'v1', canary: 'v2' } };
    const canary = {
      apiVersion: 'networking.heddle.dev/v1alpha1',
      kind: 'Canary',
      metadata: { name: 'reviews' },
      spec,
    };
    await heddle(
      ['apply', '-f', '-'],
      `${kubernetesService('reviews', '[{ name: http, port: 80 }]')}${reviewsSubsets}---\n${JSON.stringify(canary)}`,
    );
    const { rules, release, destination } = await explained();
    expect(rules).toBeUndefined();
    expect(release).toMatchObject({ canary: 'default/reviews', subset: 'v2', weight: 0 });
    expect(destination).toMatchObject({ subset: 'v1' });
  });
});

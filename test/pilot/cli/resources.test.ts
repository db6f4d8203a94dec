import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PilotServer } from '../../../pilot/server.ts';
import { silentLogger } from '../../../proxy/common/log.ts';
import { runCommand, type Ran } from '../../support/command.ts';

const virtualService = (weights: readonly number[], name = 'reviews'): string => `
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: { name: ${name} }
spec:
  hosts: [${name}.example.com]
  http:
  - route:
${weights.map((weight, i) => `    - { destination: { host: v${i}.example.com }, weight: ${weight} }`).join('\n')}
`;
const service = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
`;

describe('apply, get and delete', () => {
  let dir: string;
  let pilot: PilotServer;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'heddle-cli-'));
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

  const heddle = (args: readonly string[], stdin = ''): Promise<Ran> =>
    runCommand({ args, stdin, env: { HEDDLE_SERVER: `http://127.0.0.1:${pilot.restPort}` } });
  const apply = (text: string, ...args: string[]): Promise<Ran> => heddle(['apply', '-f', '-', ...args], text);
  const writeManifest = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };

  test('apply tells of each resource whether it was created, configured or unchanged', async () => {
    const first = await apply(`${virtualService([1])}---${service}`);
    expect(first.stdout).toBe('virtualservice.networking.istio.io/reviews created\nservice/web created\n');
    expect(first.code).toBe(0);
    const second = await apply(`${virtualService([2, 3])}---${service}`);
    expect(second.stdout).toBe('virtualservice.networking.istio.io/reviews configured\nservice/web unchanged\n');
  });

  test('apply --dry-run judges and stores nothing', async () => {
    expect((await apply(virtualService([1]), '--dry-run')).stdout).toBe(
      'virtualservice.networking.istio.io/reviews created (dry run)\n',
    );
    expect((await apply(virtualService([-1, 1]), '--dry-run')).code).toBe(1);
    expect((await heddle(['get', 'vs', '-o', 'name'])).stdout).toBe('');
  });

  test('several files are one transaction: a fault in the second keeps the first out', async () => {
    const good = writeManifest('good.yaml', service);
    const bad = writeManifest('bad.yaml', `# a comment\n${virtualService([-1, 1])}`);
    const { code, stdout, stderr } = await heddle(['apply', '-f', good, '-f', bad]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^heddle: nothing was stored\n/);
    expect(stderr).toContain(`${bad}:10: spec.http[0].route[0].weight: `);
    expect((await heddle(['get', 'svc', '-A', '-o', 'name'])).stdout).toBe('');
  });

  test('a fault in a list names the line of its item', async () => {
    const list = JSON.stringify(
      { apiVersion: 'v1', kind: 'List', items: [load(service), { apiVersion: 'v1', kind: 'Pod' }] },
      null,
      1,
    );
    const { stderr } = await apply(list);
    const line = list.split('\n').findIndex((text) => text.includes('"Pod"')) + 1;
    expect(stderr).toContain(`stdin:${line}: kind: unknown kind "Pod"`);
  });

  test('warnings go to stderr with their place and do not refuse', async () => {
    const { code, stdout, stderr } = await apply(
      'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: a }\nspec:\n  hosts: [a.example.com]\n  http:\n' +
        '  - route: [{ destination: { host: b.example.com, subset: v9 } }]\n',
    );
    expect([code, stdout]).toEqual([0, 'virtualservice.networking.istio.io/a created\n']);
    expect(stderr).toMatch(/^warning: stdin:\d+: spec\.http\[0\]/);
  });

  test('get shows a table, names, YAML and JSON', async () => {
    await apply(virtualService([1]));
    expect((await heddle(['get', 'vs'])).stdout).toMatch(
      /^NAME +GATEWAYS +HOSTS +AGE\nreviews +<none> +\["reviews\.example\.com"\] +\ds\n$/,
    );
    expect((await heddle(['get', 'virtualservices', '-o', 'name'])).stdout).toBe(
      'virtualservice.networking.istio.io/reviews\n',
    );
    const yaml = load((await heddle(['get', 'vs/reviews', '-o', 'yaml'])).stdout);
    const json: unknown = JSON.parse((await heddle(['get', 'vs', 'reviews', '-o', 'json'])).stdout);
    expect(yaml).toEqual(json);
    expect(json).toMatchObject({
      kind: 'VirtualService',
      metadata: { name: 'reviews' },
      spec: { hosts: ['reviews.example.com'] },
    });
  });

  test('B4: get tells which of two VirtualServices of one host is ignored, and which one wins', async () => {
    await apply(virtualService([1]));
    const elsewhere = virtualService([2]).replace('name: reviews }', 'name: second, namespace: shop }');
    const applied = await apply(elsewhere);
    expect(applied.stderr).toContain('VirtualService default/reviews is older');
    const ignored = await heddle(['get', 'vs', '-n', 'shop']);
    expect(ignored.stdout).toMatch(/^NAME.*\nsecond .*\n$/);
    expect(ignored.stderr).toBe(
      'warning: shop/second: spec.hosts[0]: VirtualService default/reviews is older and has host "reviews.example.com" too: ' +
        'it wins, this one is ignored for that host\n',
    );
    expect((await heddle(['get', 'vs'])).stderr).toBe('');
    expect((await heddle(['get', 'vs', '-A', '-o', 'yaml'])).stderr).toBe('');
    await heddle(['delete', 'vs', 'reviews']);
    expect((await heddle(['get', 'vs', '-n', 'shop'])).stderr).toBe('');
  });

  test('what get prints as YAML can be applied again', async () => {
    await apply(`${virtualService([1])}---${service}`);
    const { stdout } = await heddle(['get', 'vs', '-o', 'yaml']);
    expect((await apply(stdout)).stdout).toBe('virtualservice.networking.istio.io/reviews unchanged\n');
  });

  test('namespaces are kept apart; -A shows all', async () => {
    await apply(service);
    const here = await heddle(['get', 'svc']);
    expect([here.code, here.stdout, here.stderr]).toEqual([0, '', 'No services found in namespace default.\n']);
    expect((await heddle(['get', 'svc', '-n', 'shop', '-o', 'name'])).stdout).toBe('service/web\n');
    expect((await heddle(['get', 'svc', '-A'])).stdout).toMatch(/^NAMESPACE +NAME .*\nshop +web /);
  });

  test('a name that is not there is exit 1 with a sentence', async () => {
    const { code, stdout, stderr } = await heddle(['get', 'vs', 'nobody']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^heddle: .*"nobody" not found\n$/);
  });

  test('delete by name, and of what is not there', async () => {
    await apply(virtualService([1]));
    expect((await heddle(['delete', 'vs', 'reviews'])).stdout).toBe(
      'virtualservice.networking.istio.io "reviews" deleted\n',
    );
    const again = await heddle(['delete', 'vs', 'reviews']);
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/not found/);
    expect((await heddle(['delete', 'vs', 'reviews', '--ignore-not-found'])).code).toBe(0);
  });

  test('delete -f deletes what the file holds, in reverse, and goes on after one that is missing', async () => {
    await apply(`${virtualService([1])}---${service}`);
    const file = writeManifest('all.yaml', `${virtualService([1])}---${virtualService([1], 'other')}---${service}`);
    const { code, stdout, stderr } = await heddle(['delete', '-f', file]);
    expect(stdout).toBe('service "web" deleted\nvirtualservice.networking.istio.io "reviews" deleted\n');
    expect(code).toBe(1);
    expect(stderr).toMatch(/"other" not found/);
  });

  test('proxy-status without a sidecar says so', async () => {
    expect(await heddle(['proxy-status'])).toEqual({ code: 0, stdout: 'No sidecar is connected.\n', stderr: '' });
  });
});

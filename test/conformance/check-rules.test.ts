import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { weekdays } from '../../crds/check-rule.ts';
import type { MeshConfig } from '../../crds/mesh-config.ts';
import { AuthorizationServer } from '../support/authorization-server.ts';
import { Backend } from '../support/backend.ts';
import { closeAfterTest } from '../support/closing.ts';
import { type Answer, call, type Call } from '../support/http-call.ts';
import { eventually } from '../support/mesh.ts';
import { besideEachSidecar, LiveMesh } from './live-mesh.ts';

function checkRule(spec: string, name = 'rule'): string {
  return `
---
apiVersion: networking.heddle.dev/v1alpha1
kind: CheckRule
metadata: { name: ${name}, namespace: default }
spec: { ${spec} }
`;
}

const forClient = 'selector: { matchLabels: { app: client } }';

/** A clock on a wall in Berlin, so many hours from now: a minute, or a change of summer time, may pass while the test runs. */
function inBerlin(hours: number): string {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', hour: '2-digit', minute: '2-digit' });
  return format.format(Date.now() + hours * 3_600_000);
}

const authzEntry = (port: number): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: authz, namespace: default }
spec: { hosts: [authz.example.com], ports: [{ number: 9191, name: grpc, protocol: GRPC, targetPort: ${port} }], resolution: STATIC, endpoints: [{ address: 127.0.0.1 }] }
`;

const authzConfig: MeshConfig = {
  extensionProviders: [{ name: 'authz', envoyExtAuthzGrpc: { service: 'authz.example.com', port: 9191 } }],
};

/** A workload named `client` whose sidecar checks what comes in. */
async function start(
  yaml = '',
  meshConfig: MeshConfig = {},
): Promise<{ mesh: LiveMesh; ask: (details?: Call) => Promise<Answer> }> {
  const application = closeAfterTest(await Backend.start('application'));
  const client = { labels: { app: 'client' }, appPort: application.port };
  const mesh = await LiveMesh.start({ instances: [], yaml, client, pilot: { meshConfig } });
  return { mesh, ask: (details = {}) => call(mesh.inboundPort, details) };
}

besideEachSidecar(() => {
  describe('a CheckRule', () => {
    test('that denies keeps matching requests from the application', async () => {
      const match = 'match: [{ methods: [DELETE], paths: [{ prefix: /orders }] }, { headers: { x-bad: {} } }]';
      const { ask } = await start(checkRule(`${forClient}, action: DENY, ${match}`));
      expect(await ask({ method: 'DELETE', path: '/orders/1' })).toMatchObject({
        status: 403,
        body: 'RBAC: access denied',
      });
      expect((await ask({ headers: { 'x-bad': '1' } })).status).toBe(403);
      expect((await ask({ method: 'GET', path: '/orders/1' })).status).toBe(200);
      expect((await ask({ method: 'DELETE', path: '/' })).status).toBe(200);
    });

    test('that allows keeps everything else out, and one that denies comes first', async () => {
      const { ask } = await start(
        checkRule(`${forClient}, action: ALLOW, match: [{ paths: [{ prefix: /public }] }]`, 'a') +
          checkRule(`${forClient}, action: DENY, match: [{ paths: [{ prefix: /public/secret }] }]`, 'b'),
      );
      const statuses = await Promise.all(['/public', '/public/secret', '/'].map((path) => ask({ path })));
      expect(statuses.map(({ status }) => status)).toEqual([200, 403, 403]);
    });

    test('of addresses looks at who connected', async () => {
      const from = (block: string) =>
        checkRule(`${forClient}, action: ALLOW, match: [{ source: { ipBlocks: ["${block}"] } }]`);
      const { mesh, ask } = await start(from('10.0.0.0/8'));
      expect((await ask({ headers: { 'x-forwarded-for': '10.0.0.1' } })).status).toBe(403);
      await mesh.apply(from('127.0.0.0/8'));
      expect((await ask()).status).toBe(200);
    });

    test('of listed values lets in whom the list has', async () => {
      const list = 'lists: [{ attribute: "header:x-user", values: [ann, bob] }]';
      const { ask } = await start(checkRule(`${forClient}, action: ALLOW, match: [{ ${list} }]`));
      const statuses = await Promise.all(['ann', 'bob', 'eve'].map((user) => ask({ headers: { 'x-user': user } })));
      expect(statuses.map(({ status }) => status)).toEqual([200, 200, 403]);
      expect((await ask()).status).toBe(403);
    });

    test('that asks a provider lets in whom the provider lets in', async () => {
      const service = closeAfterTest(
        await AuthorizationServer.start(({ attributes }) => {
          const isKnown = attributes?.request?.http?.headers?.['x-user'] === 'ann';
          return { status: { code: isKnown ? 0 : 7 } };
        }),
      );
      const asking = checkRule(`${forClient}, action: CUSTOM, provider: authz`);
      const { mesh, ask } = await start(authzEntry(service.port), authzConfig);
      expect((await ask()).status).toBe(200);
      expect(service.asked).toEqual([]);
      await mesh.apply(asking);
      expect((await ask({ headers: { 'x-user': 'ann' } })).status).toBe(200);
      expect((await ask({ headers: { 'x-user': 'eve' } })).status).toBe(403);
      expect(service.asked[0]?.attributes?.context_extensions).toEqual({ rule: 'default/rule' });
      await service.close();
      expect((await ask({ headers: { 'x-user': 'ann' } })).status).toBe(403);
    });

    test('asks a provider only about requests that match, and tells it which rule asks', async () => {
      const service = closeAfterTest(await AuthorizationServer.start(() => ({ status: { code: 7 } })));
      const custom = `${forClient}, action: CUSTOM, provider: authz`;
      const { ask } = await start(
        authzEntry(service.port) +
          checkRule(
            `${custom}, match: [{ paths: [{ prefix: /admin }], methods: [POST] }, { headers: { x-ask: {} } }]`,
            'a',
          ) +
          checkRule(`${custom}, match: [{ paths: [{ exact: /b }] }, { source: { ipBlocks: [10.0.0.0/8] } }]`, 'b'),
        authzConfig,
      );
      expect((await ask({ path: '/admin' })).status).toBe(200);
      expect((await ask({ method: 'POST', path: '/' })).status).toBe(200);
      expect(service.asked).toEqual([]);
      expect((await ask({ method: 'POST', path: '/admin/x' })).status).toBe(403);
      expect((await ask({ headers: { 'x-ask': '' } })).status).toBe(403);
      expect((await ask({ path: '/b' })).status).toBe(403);
      const asking = service.asked.map(
        ({ attributes }) =>
          attributes?.metadata_context?.filter_metadata?.['envoy.filters.http.rbac']?.[
            'custom_rules.authz.shadow_effective_policy_id'
          ],
      );
      expect(asking).toEqual(['default/a.0', 'default/a.1', 'default/b.0']);
      expect(service.asked[0]?.attributes?.context_extensions).toEqual({ rule: 'default/a,default/b' });
    });

    test('shows the provider the body of what it asks about', async () => {
      const service = closeAfterTest(
        await AuthorizationServer.start(({ attributes }) => {
          return { status: { code: attributes?.request?.http?.body === 'open sesame' ? 0 : 7 } };
        }),
      );
      const envoyExtAuthzGrpc = {
        service: 'authz.example.com',
        port: 9191,
        includeRequestBodyInCheck: { maxRequestBytes: 20 },
      };
      const { ask } = await start(
        authzEntry(service.port) +
          checkRule(`${forClient}, action: CUSTOM, provider: authz, match: [{ methods: [POST] }]`),
        { extensionProviders: [{ name: 'authz', envoyExtAuthzGrpc }] },
      );
      expect((await ask({ method: 'POST', body: 'open sesame' })).status).toBe(200);
      expect((await ask({ method: 'POST', body: 'open up' })).status).toBe(403);
      expect((await ask({ method: 'POST', body: 'x'.repeat(21) })).status).toBe(413);
      expect((await ask({ method: 'PUT', body: 'x'.repeat(21) })).status).toBe(200);
    });

    test('says what is answered to whom it denies', async () => {
      const denyWith = 'denyWith: { status: 451, message: "not 100 % here", headers: { link: "</why>; a=50%" } }';
      const { mesh, ask } = await start(
        checkRule(`${forClient}, action: DENY, match: [{ methods: [PUT] }, { methods: [POST] }], ${denyWith}`, 'a') +
          checkRule(`${forClient}, action: DENY, match: [{ methods: [DELETE] }]`, 'b'),
      );
      for (const method of ['PUT', 'POST']) {
        const { status, body, headers } = await ask({ method });
        expect({ status, body, link: headers['link'] }).toEqual({
          status: 451,
          body: 'not 100 % here',
          link: '</why>; a=50%',
        });
      }
      expect(await ask({ method: 'DELETE' })).toMatchObject({ status: 403, body: 'RBAC: access denied' });
      expect((await ask()).status).toBe(200);
      await mesh.apply(
        checkRule(`${forClient}, action: ALLOW, match: [{ methods: [GET] }], denyWith: { status: 404 }`, 'c'),
      );
      expect((await ask()).status).toBe(200);
      expect(await ask({ method: 'PATCH' })).toMatchObject({ status: 404, body: '' });
      expect((await ask({ method: 'PUT' })).status).toBe(451);
    });

    test('holds at the times that it names', async () => {
      const at = (time: string) => checkRule(`${forClient}, action: DENY, match: [{ time: { ${time} } }]`);
      const { mesh, ask } = await start(at('notBefore: "2020-01-01T00:00:00Z"'));
      expect((await ask()).status).toBe(403);
      const berlin = (from: string, to: string) => `from: "${from}", to: "${to}", timeZone: Europe/Berlin`;
      const given: readonly [string, number][] = [
        ['notAfter: "2020-01-01T00:00:00+02:00"', 200],
        ['notBefore: "2020-01-01T00:00:00Z", notAfter: "2999-01-01T00:00:00.5Z"', 403],
        ['notBefore: "2999-01-01T00:00:00Z"', 200],
        [berlin(inBerlin(-2), inBerlin(3)), 403],
        [berlin(inBerlin(3), inBerlin(6)), 200],
        [berlin(inBerlin(3), inBerlin(-2)), 200],
        [berlin(inBerlin(3), inBerlin(2)), 403],
        ['days: [SUN, MON, TUE, WED, THU, FRI, SAT]', 403],
      ];
      for (const [time, status] of given) {
        await mesh.apply(at(time));
        expect([time, (await ask()).status]).toEqual([time, status]);
      }
      const today = new Date().getUTCDay();
      const others = weekdays.filter((_, day) => day !== today && day !== (today + 1) % 7);
      await mesh.apply(at(`days: [${others.join(', ')}]`));
      expect((await ask()).status).toBe(200);
    });

    test('of a list at a URL follows the list', async () => {
      let values = 'ann\n';
      const server = http.createServer((_, response) => response.end(values));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      onTestFinished(() => void server.close());
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/users`;
      const list = `lists: [{ attribute: "header:x-user", url: "${url}", refreshInterval: 1s }]`;
      const { ask } = await start(checkRule(`${forClient}, action: ALLOW, match: [{ ${list} }]`));
      const becomes = (user: string, status: number) =>
        eventually(async () => ((await ask({ headers: { 'x-user': user } })).status === status ? true : undefined));
      await becomes('ann', 200);
      values = 'bob\n';
      await becomes('bob', 200);
      await becomes('ann', 403);
    });

    test('that is only tried out counts what it would deny, by its name', async () => {
      const { mesh, ask } = await start(checkRule(`${forClient}, action: DENY, mode: SHADOW`));
      expect((await ask()).status).toBe(200);
      const prefix = `http.inbound_127.0.0.1_${mesh.inboundPort}.rbac.deny_rules`;
      expect(await mesh.stat(`${prefix}.shadow_denied`)).toBe(1);
      expect(await mesh.stat(`${prefix}.policy.default/rule.shadow_denied`)).toBe(1);
    });

    test('stands in the access log with its name, also where it is only tried out', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'heddle-check-log-'));
      onTestFinished(() => rm(folder, { recursive: true, force: true }));
      const service = closeAfterTest(await AuthorizationServer.start(() => ({ status: { code: 0 } })));
      const said = (key: string) => `%DYNAMIC_METADATA(envoy.filters.http.rbac:${key})%`;
      const accessLogFormat = `%REQ(:PATH)% %RESPONSE_CODE% ${[
        'deny_rules.enforced_effective_policy_id',
        'deny_rules.shadow_effective_policy_id',
        'custom_rules.authz.shadow_effective_policy_id',
      ]
        .map(said)
        .join(' ')} ${said('deny_rules.shadow_engine_result')}\n`;
      const accessLogFile = join(folder, 'log');
      const { ask } = await start(
        authzEntry(service.port) +
          checkRule(
            `${forClient}, action: DENY, match: [{ paths: [{ prefix: /a }] }], denyWith: { status: 451 }`,
            'a',
          ) +
          checkRule(`${forClient}, action: DENY, mode: SHADOW, match: [{ paths: [{ prefix: /b }] }]`, 'b') +
          checkRule(`${forClient}, action: CUSTOM, provider: authz, match: [{ paths: [{ prefix: /c }] }]`, 'c'),
        { ...authzConfig, accessLogFile, accessLogFormat },
      );
      for (const path of ['/a', '/b', '/c', '/d']) await ask({ path });
      const lines = await eventually(async () => {
        const text = await readFile(accessLogFile, 'utf8').catch(() => '');
        return text.includes('/d') ? text.trim().split('\n') : undefined;
      });
      expect(lines).toEqual([
        '/a 451 default/a - - allowed',
        '/b 200 - default/b - denied',
        '/c 200 - - default/c allowed',
        '/d 200 - - - allowed',
      ]);
    });

    test('for other workloads is none of its business, and one that goes is gone', async () => {
      const { mesh, ask } = await start(checkRule('selector: { matchLabels: { app: other } }, action: DENY'));
      expect((await ask()).status).toBe(200);
      await mesh.apply(checkRule('host: client, action: DENY'));
      expect((await ask()).status).toBe(403);
      await mesh.apply(checkRule('host: client, action: DENY, match: [{ ports: [1] }]'));
      expect((await ask()).status).toBe(200);
    });
  });
});

import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
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
      const entry = `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: authz, namespace: default }
spec: { hosts: [authz.example.com], ports: [{ number: 9191, name: grpc, protocol: GRPC, targetPort: ${service.port} }], resolution: STATIC, endpoints: [{ address: 127.0.0.1 }] }
`;
      const asking = checkRule(`${forClient}, action: CUSTOM, provider: authz`);
      const envoyExtAuthzGrpc = { service: 'authz.example.com', port: 9191 };
      const { mesh, ask } = await start(entry, { extensionProviders: [{ name: 'authz', envoyExtAuthzGrpc }] });
      expect((await ask()).status).toBe(200);
      expect(service.asked).toEqual([]);
      await mesh.apply(asking);
      expect((await ask({ headers: { 'x-user': 'ann' } })).status).toBe(200);
      expect((await ask({ headers: { 'x-user': 'eve' } })).status).toBe(403);
      expect(service.asked[0]?.attributes?.context_extensions).toEqual({ rule: 'default/rule' });
      await service.close();
      expect((await ask({ headers: { 'x-user': 'ann' } })).status).toBe(403);
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

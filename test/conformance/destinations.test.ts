import { describe, expect, test } from 'vitest';
import { besideEachSidecar, LiveMesh, localReply } from './live-mesh.ts';

const instances = [{ service: 'reviews' }];
const registryOnly = { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } } as const;

const entry = (spec: string): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: entry }
spec: { ports: [{ number: 80, name: http, protocol: HTTP }], ${spec} }
`;

besideEachSidecar(() => {
  describe('where requests may go', () => {
    test('ALLOW_ANY: an address that nobody declared is reached', async () => {
      const mesh = await LiveMesh.start({ instances });
      const host = `127.0.0.1:${mesh.backends[0]?.port}`;
      const { status, echo } = await mesh.call({ host, method: 'POST', path: '/a', body: 'hello' });
      expect(status).toBe(200);
      expect(echo).toMatchObject({ method: 'POST', url: '/a', body: 'hello', headers: { host } });
      expect(echo?.headers).not.toHaveProperty('x-envoy-peer-metadata');
    });

    test('a client that was told of the sidecar by HTTP_PROXY names the host in the target of its request', async () => {
      const mesh = await LiveMesh.start({ instances });
      const authority = `127.0.0.1:${mesh.backends[0]?.port}`;
      const { echo } = await mesh.call({ host: authority, path: `http://${authority}/a?b=c` });
      expect(echo).toMatchObject({ url: '/a?b=c', headers: { host: authority } });
      expect((await mesh.call({ host: 'reviews', path: 'http://reviews/a' })).landed).toBe('reviews-v1');
    });

    test('S33: a name that only a service of the mesh can have is 404 NR all the same', async () => {
      const mesh = await LiveMesh.start({ instances });
      for (const host of ['reveiws', 'localhost', 'reviews.shop.svc', 'reviews.default.svc.cluster.local:81']) {
        expect(await mesh.call({ host })).toMatchObject(localReply(404, 'NR'));
      }
    });

    test('REGISTRY_ONLY: what nobody declared is 502 with the reason, what is declared is served', async () => {
      const mesh = await LiveMesh.start({ instances, pilot: { meshConfig: registryOnly } });
      const host = `127.0.0.1:${mesh.backends[0]?.port}`;
      const { status, headers } = await mesh.call({ host });
      expect(status).toBe(502);
      const reason = `- ${host} is declared by no service, and the outbound traffic policy is REGISTRY_ONLY`;
      expect(headers['x-heddle-reason']).toBe(reason);
      expect((await mesh.call({ host: 'reviews' })).landed).toBe('reviews-v1');
    });

    test('a Sidecar changes the policy while the sidecar runs', async () => {
      const mesh = await LiveMesh.start({ instances, pilot: { meshConfig: registryOnly } });
      const host = `127.0.0.1:${mesh.backends[0]?.port}`;
      await mesh.apply(`
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default }
spec: { outboundTrafficPolicy: { mode: ALLOW_ANY } }
`);
      expect((await mesh.call({ host })).landed).toBe('reviews-v1');
    });

    test.each(['DNS', 'DNS_ROUND_ROBIN'])(
      'resolution %s: an endpoint is a name that is looked up',
      async (resolution) => {
        const mesh = await LiveMesh.start({ instances });
        const endpoint = `{ address: localhost, ports: { http: ${mesh.backends[0]?.port} } }`;
        await mesh.apply(entry(`hosts: [api.example.com], resolution: ${resolution}, endpoints: [${endpoint}]`));
        const { landed, echo } = await mesh.call({ host: 'api.example.com' });
        expect([landed, echo?.headers.host]).toEqual(['reviews-v1', 'api.example.com']);
      },
    );
  });
});

/** gRPC from outside the mesh: a gateway takes it over TLS, which says by ALPN what is spoken, and in plain text. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tls from 'node:tls';
import { once } from 'node:events';
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { closeAfterTest } from '../support/closing.ts';
import { GrpcBackend } from '../support/grpc/grpc-backend.ts';
import { GrpcClient } from '../support/grpc/grpc-client.ts';
import { cartSubsets, startGrpcMesh } from '../support/grpc/grpc-mesh.ts';
import { Authority, temporaryFolder } from '../support/pki.ts';
import { unusedPort } from '../support/unused-port.ts';
import { besideEachSidecar, type Sidecar } from './live-mesh.ts';

const host = 'shop.example.com';

const rules = `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: edge, namespace: default }
spec:
  hosts: [${host}]
  gateways: [edge]
  http:
  - match: [{ headers: { end-user: { exact: jason } } }]
    route: [{ destination: { host: cart, subset: v2 } }]
  - match: [{ uri: { prefix: /shop.Cart/ } }]
    route: [{ destination: { host: cart, subset: v1 } }]
`;

const gatewayOf = (server: string): string => `
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec: { selector: { istio: edge }, servers: [{ ${server}, hosts: [${host}] }] }
`;

interface Edge {
  readonly port: number;
  readonly backends: readonly GrpcBackend[];
}

async function start(kind: Sidecar, serverAt: (port: number) => string): Promise<Edge> {
  const port = await unusedPort();
  const backends = await Promise.all(['v1', 'v2'].map((version) => GrpcBackend.start(version)));
  const yaml = cartSubsets + rules + gatewayOf(serverAt(port));
  const { mesh } = await startGrpcMesh({ servers: backends, yaml });
  await mesh.addGateway(kind, 0);
  return { port, backends };
}

/** A certificate of the host in files, and the credentials of who trusts it. */
function issue(): { readonly files: string; readonly authority: Authority; readonly trusting: ChannelCredentials } {
  const authority = closeAfterTest(new Authority());
  const { cert, key } = authority.issue({ names: [`DNS:${host}`] });
  const folder = temporaryFolder();
  const [certFile, keyFile, caFile] = ['tls.crt', 'tls.key', 'ca.crt'].map((name) => join(folder, name));
  writeFileSync(certFile ?? '', cert);
  writeFileSync(keyFile ?? '', key);
  writeFileSync(caFile ?? '', authority.cert);
  return {
    files: `serverCertificate: ${certFile}, privateKey: ${keyFile}, caCertificates: ${caFile}`,
    authority,
    trusting: credentials.createSsl(Buffer.from(authority.cert)),
  };
}

async function expectCalls(client: GrpcClient): Promise<void> {
  const message = Buffer.alloc(300_000, 'x');
  const put = await client.call({ path: '/shop.Cart/Put', message });
  expect(put).toMatchObject({ status: 'OK', trailers: { 'x-length': '300000' } });
  expect(await client.share(5)).toEqual({ 'cart-v1': 5 });
  expect((await client.call({ metadata: { 'end-user': 'jason' } })).landed).toBe('cart-v2');
  const chat = client.chat();
  expect(await chat.say('hello')).toBe('cart-v1: hello');
  expect((await chat.end()).status).toBe('OK');
}

besideEachSidecar((kind) => {
  test.each(['HTTP', 'HTTP2', 'GRPC'])('a gateway takes gRPC in plain text at a port of %s', async (protocol) => {
    const { port } = await start(kind, (number) => `port: { number: ${number}, name: edge, protocol: ${protocol} }`);
    await expectCalls(new GrpcClient(port, host));
  });

  test('a gateway takes gRPC over TLS, and offers HTTP/1.1 at the same port', async () => {
    const { files, authority, trusting } = issue();
    const { port } = await start(
      kind,
      (number) => `port: { number: ${number}, name: https, protocol: HTTPS }, tls: { mode: SIMPLE, ${files} }`,
    );
    await expectCalls(new GrpcClient(port, host, trusting));
    for (const offered of ['h2', 'http/1.1']) {
      const socket = closeAfterTest(
        tls.connect({ port, host: '127.0.0.1', servername: host, ca: authority.cert, ALPNProtocols: [offered] }),
      );
      await once(socket, 'secureConnect');
      expect(socket.alpnProtocol).toBe(offered);
    }
  });

  test('a gateway tells a server of gRPC whose certificate its client has shown', async () => {
    const { files, authority } = issue();
    const { port, backends } = await start(
      kind,
      (number) => `port: { number: ${number}, name: https, protocol: HTTPS }, tls: { mode: MUTUAL, ${files} }`,
    );
    const own = authority.issue({ names: ['URI:spiffe://outside/ann'] });
    const [ca, key, cert] = [authority.cert, own.key, own.cert].map((pem) => Buffer.from(pem));
    const ann = new GrpcClient(port, host, credentials.createSsl(ca, key, cert));
    const { echo } = await ann.call({ metadata: { 'x-forwarded-client-cert': 'URI=spiffe://outside/bob' } });
    expect(echo?.metadata['x-forwarded-client-cert']).toMatch(/^Hash=[0-9a-f]{64};.*URI=spiffe:\/\/outside\/ann/);
    expect(echo?.metadata['x-forwarded-client-cert']).not.toContain('bob');
    const nobody = new GrpcClient(port, host, credentials.createSsl(ca));
    expect((await nobody.call()).status).toBe('UNAVAILABLE');
    expect(backends.map(({ calls }) => calls)).toEqual([1, 0]);
  });

  test('a gateway answers calls of hosts and methods that it does not serve in gRPC, and does not say more', async () => {
    const { port } = await start(kind, (number) => `port: { number: ${number}, name: edge, protocol: GRPC }`);
    for (const call of [
      new GrpcClient(port, 'other.example.com').call(),
      new GrpcClient(port, host).call({ path: '/shop.Orders/Get' }),
    ]) {
      const answer = await call;
      expect(answer).toMatchObject({ status: 'UNIMPLEMENTED', flag: undefined });
      expect(answer.details).toMatch(kind === 'heddle' ? /^Not Found$/ : /^$/);
    }
  });
});

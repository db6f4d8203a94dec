/** `heddle gateway` as real processes: strangers outside, a workload behind its sidecar inside. */
import http from 'node:http';
import https from 'node:https';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Child } from '../../examples/ftgo-canary/child.ts';
import { unusedPorts } from '../support/unused-port.ts';
import { compiled, eventually, Mesh } from '../support/mesh.ts';
import { Authority, type Certificate } from '../support/pki.ts';

interface Answer {
  readonly status: number | undefined;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

interface Echo {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

function ask(get: typeof http.get, options: https.RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = get({ agent: false, timeout: 10_000, ...options }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
    });
    request.on('error', reject);
  });
}

describe('heddle gateway', () => {
  let mesh: Mesh;
  let gateway: Child;
  let plain = 0;
  let secure = 0;
  let authority: Authority;
  let client: Certificate;
  let secret: https.Server;

  beforeAll(async () => {
    mesh = await Mesh.create();
    authority = new Authority();
    client = authority.issue({ names: ['DNS:client.example.com'] });
    const server = authority.issue({ names: ['DNS:*.example.com'] });
    writeFileSync(join(mesh.dir, 'cert.pem'), server.cert);
    writeFileSync(join(mesh.dir, 'key.pem'), server.key);
    writeFileSync(join(mesh.dir, 'ca.pem'), authority.cert);
    [plain = 0, secure = 0] = await unusedPorts(2);
    const own = authority.issue({ names: ['DNS:secret.example.org'] });
    secret = https.createServer({ cert: own.cert, key: own.key }, (_, response) => response.end('the secret itself'));
    await new Promise<void>((resolve) => secret.listen(0, '127.0.0.1', resolve));
    await mesh.startControlPlane();
    await mesh.apply(rules(mesh.dir, plain, secure, (secret.address() as AddressInfo).port));
    await mesh.startSidecar({ service: 'web' });
    gateway = mesh.start('heddle gateway', [
      compiled('pilot/cli/main.js'),
      'gateway',
      '--name',
      'edge',
      '--label',
      'zone=dmz',
      '--port-offset',
      '1',
      '--pilot',
      `127.0.0.1:${mesh.ports.xds}`,
    ]);
    await gateway.waitForLine(/^heddle: gateway edge is ready: /);
    await eventually(async () => ((await shop()).status === 200 ? true : undefined));
  }, 60_000);

  afterAll(async () => {
    authority.close();
    secret.close();
    secret.closeAllConnections();
    await mesh.close();
  });

  const shop = (path = '/', headers: http.OutgoingHttpHeaders = {}): Promise<Answer> =>
    ask(http.get, { port: plain, path, headers: { host: 'shop.example.com', ...headers } });
  const askSecurely = (servername: string, options: https.RequestOptions = {}): Promise<Answer> =>
    ask(https.get, { port: secure, servername, ca: authority.cert, headers: { host: servername }, ...options });

  test('says where it listens', () => {
    expect(gateway.output).toContain(`0.0.0.0:${plain}`);
    expect(gateway.output).toContain(`0.0.0.0:${secure}`);
  });

  test('lets strangers reach the workloads that a VirtualService names, and nothing else', async () => {
    const { status, body } = await shop('/a//b', { 'x-envoy-max-retries': '9', 'x-request-id': 'mine' });
    expect(status).toBe(200);
    const { url, headers } = JSON.parse(body) as Echo;
    expect(url).toBe('/a/b');
    expect(headers).not.toHaveProperty('x-envoy-max-retries');
    expect(headers['x-request-id']).not.toBe('mine');
    expect(headers).toMatchObject({ 'x-forwarded-proto': 'http', 'x-envoy-external-address': '127.0.0.1' });
    const other = await ask(http.get, { port: plain, headers: { host: 'web' } });
    expect(other.status).toBe(404);
    expect(other.headers).not.toHaveProperty('x-heddle-reason');
  });

  test('listens on IPv6 too', async () => {
    const headers = { host: 'shop.example.com' };
    const { status, body } = await ask(http.get, { hostname: '::1', port: plain, headers });
    expect(status).toBe(200);
    expect((JSON.parse(body) as Echo).headers['x-envoy-external-address']).toBe('::1');
  });

  test('sends plain requests to https where the Gateway says so', async () => {
    const { status, headers } = await ask(http.get, {
      port: plain,
      path: '/cart?a=b',
      headers: { host: 'safe.example.com' },
    });
    expect([status, headers.location]).toEqual([301, 'https://safe.example.com/cart?a=b']);
  });

  test('ends TLS with its certificate, and says so to the workload', async () => {
    const { status, body } = await askSecurely('safe.example.com');
    expect(status).toBe(200);
    expect((JSON.parse(body) as Echo).headers['x-forwarded-proto']).toBe('https');
  });

  test('serves by TLS only the hosts of the server whose name the client asked for', async () => {
    const { status } = await askSecurely('safe.example.com', { headers: { host: 'admin.example.com' } });
    expect(status).toBe(404);
    await expect(askSecurely('nobody.example.net')).rejects.toThrow();
  });

  test('asks for the certificate of its authority where the mode is MUTUAL', async () => {
    await expect(askSecurely('admin.example.com')).rejects.toThrow();
    const headers = { host: 'admin.example.com', 'x-forwarded-client-cert': 'By=forged' };
    const { status, body } = await askSecurely('admin.example.com', { cert: client.cert, key: client.key, headers });
    expect(status).toBe(200);
    const told = (JSON.parse(body) as Echo).headers['x-forwarded-client-cert'];
    expect(told).toMatch(/^Hash=[0-9a-f]{64};Cert="-----BEGIN%20.*";Subject="CN=test";URI=;DNS=client\.example\.com$/);
  });

  test('passes TLS through by its name, without touching the bytes', async () => {
    const { body } = await askSecurely('secret.example.org');
    expect(body).toBe('the secret itself');
  });

  test('answers plain HTTP on a TLS port with an end, and goes on', async () => {
    await expect(ask(http.get, { port: secure, headers: { host: 'safe.example.com' } })).rejects.toThrow();
    expect((await askSecurely('safe.example.com')).status).toBe(200);
  });

  test('goes by new rules at once, on connections that it has', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const options = { port: plain, agent, headers: { host: 'shop.example.com' } };
    expect((await ask(http.get, options)).status).toBe(200);
    await mesh.apply(virtualService('shop', 'shop.example.com', 'http: [{ directResponse: { status: 418 } }]'));
    await eventually(async () => ((await ask(http.get, options)).status === 418 ? true : undefined));
    agent.destroy();
  });

  test('ends with exit code 0 when it is asked to', async () => {
    gateway.kill('SIGTERM');
    expect((await gateway.exited).code).toBe(0);
  });
});

function virtualService(name: string, host: string, spec: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name} }
spec: { hosts: [${host}], gateways: [front], ${spec} }
`;
}

/** Ports of the Gateway are one less than those that are listened at. */
function rules(dir: string, plain: number, secure: number, secretPort: number): string {
  const files = `serverCertificate: ${dir}/cert.pem, privateKey: ${dir}/key.pem`;
  const toWeb = 'http: [{ route: [{ destination: { host: web } }] }]';
  return [
    `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: front }
spec:
  selector: { istio: edge, zone: dmz }
  servers:
  - { port: { number: ${plain - 1}, name: http, protocol: HTTP }, hosts: [shop.example.com] }
  - { port: { number: ${plain - 1}, name: redirect, protocol: HTTP }, hosts: [safe.example.com], tls: { httpsRedirect: true } }
  - { port: { number: ${secure - 1}, name: https, protocol: HTTPS }, hosts: [safe.example.com], tls: { mode: SIMPLE, ${files} } }
  - { port: { number: ${secure - 1}, name: mutual, protocol: HTTPS }, hosts: [admin.example.com], tls: { mode: MUTUAL, ${files}, caCertificates: ${dir}/ca.pem } }
  - { port: { number: ${secure - 1}, name: through, protocol: TLS }, hosts: [secret.example.org], tls: { mode: PASSTHROUGH } }
`,
    `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: secret }
spec:
  hosts: [secret.example.org]
  ports: [{ number: 443, name: tls, protocol: TLS }]
  resolution: STATIC
  endpoints: [{ address: 127.0.0.1, ports: { tls: ${secretPort} } }]
`,
    virtualService('shop', 'shop.example.com', toWeb),
    virtualService('safe', 'safe.example.com', toWeb),
    virtualService('admin', 'admin.example.com', toWeb),
    virtualService(
      'secret',
      'secret.example.org',
      'tls: [{ match: [{ sniHosts: [secret.example.org] }], route: [{ destination: { host: secret.example.org } }] }]',
    ),
  ].join('\n---\n');
}

/** `x-forwarded-client-cert` beside a real Envoy: the same certificates and requests, and what arrives behind each of the two. */
import https from 'node:https';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { HttpConnectionManager, Listener } from '../../proxy/api/envoy.gen.ts';
import { decodeListener } from '../../proxy/api/listener-decoder.ts';
import { Backend, echoOf } from '../support/backend.ts';
import { closeAfterTest } from '../support/closing.ts';
import { httpListener, routeConfiguration, routeTo, staticCluster } from '../support/envoy-json.ts';
import { startEnvoy } from '../support/envoy.ts';
import { requirePeers } from '../support/peers.ts';
import { Authority } from '../support/pki.ts';
import { ProxyParts } from '../support/proxy-parts.ts';
import { unusedPort } from '../support/unused-port.ts';

const authority = new Authority();
const server = authority.issue({ names: ['DNS:localhost', 'URI:spiffe://mesh/edge'] });
const clients = {
  named: authority.issue({
    names: ['URI:spiffe://mesh/a', 'DNS:a.example.com', 'DNS:b.example.com', 'URI:spiffe://mesh/b'],
    commonName: 'a, "b"; c',
  }),
  nameless: authority.issue({ names: [] }),
  none: undefined,
};
afterAll(() => authority.close());

const all = { subject: true, cert: true, dns: true, uri: true };
const managers: Readonly<Record<string, HttpConnectionManager>> = {
  default: {},
  forwardOnly: { forward_client_cert_details: 'FORWARD_ONLY', set_current_client_cert_details: all },
  append: { forward_client_cert_details: 'APPEND_FORWARD', set_current_client_cert_details: all },
  set: { forward_client_cert_details: 'SANITIZE_SET', set_current_client_cert_details: all },
  setHash: { forward_client_cert_details: 'SANITIZE_SET', use_remote_address: true },
  always: { forward_client_cert_details: 'ALWAYS_FORWARD_ONLY' },
};
const names = Object.keys(managers);

function listenersAt(ports: readonly number[]): Listener[] {
  const typed_config = {
    '@type': typeUrlOf('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
    common_tls_context: {
      tls_certificates: [
        { certificate_chain: { inline_string: server.cert }, private_key: { inline_string: server.key } },
      ],
      validation_context: { trusted_ca: { inline_string: authority.cert } },
    },
  };
  return names.map((name, i) => {
    const routes = routeConfiguration([routeTo('backend')]);
    const listener = httpListener({ name, port: ports[i] ?? 0, routes, manager: managers[name] ?? {} });
    const chains = (listener.filter_chains ?? []).map((chain) => ({
      ...chain,
      transport_socket: { name: 'envoy.transport_sockets.tls', typed_config },
    }));
    return { ...listener, filter_chains: chains };
  });
}

function ask(port: number, client: { cert: string; key: string } | undefined, said: string): Promise<string> {
  const headers = said === '' ? {} : { 'x-forwarded-client-cert': said };
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', servername: 'localhost', ca: authority.cert, agent: false };
    const request = https.get({ ...options, headers, ...client }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve(String(echoOf({ body }).headers['x-forwarded-client-cert'] ?? 'nothing')));
    });
    request.on('error', reject);
  });
}

describe('x-forwarded-client-cert', () => {
  test('says what a real Envoy says, in every mode, of every kind of client', async (context) => {
    requirePeers(context, 'envoy');
    const backend = closeAfterTest(await Backend.start());
    const clusters = [staticCluster('backend', [backend.port])];
    const [adminPort = 0, ...ports] = await Promise.all(['admin', ...names].map(() => unusedPort()));
    const admin = { address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } };
    const file = join(tmpdir(), `heddle-client-cert-${process.pid}.json`);
    const bootstrap = { admin, static_resources: { listeners: listenersAt(ports), clusters } };
    await startEnvoy(file, JSON.stringify(bootstrap), adminPort);
    rmSync(file);
    const routes = routeConfiguration([routeTo('backend')]);
    const proxy = closeAfterTest(await new ProxyParts({ routes, clusters, listeners: listenersAt([]) }).start());
    const seen: string[] = [];
    for (const [i, name] of names.entries()) {
      for (const [kind, client] of Object.entries(clients)) {
        for (const said of ['', 'By=spiffe://forged;Hash=0']) {
          const own = await ask(proxy.port(name), client, said);
          const theirs = await ask(ports[i] ?? 0, client, said);
          expect(`${name} ${kind} ${own}`).toBe(`${name} ${kind} ${theirs}`);
          seen.push(own);
        }
      }
    }
    // Nothing, what was said, and of each of two clients: all, all behind what was said, the hash alone.
    expect(new Set(seen).size).toBe(8);
  });

  test('the chain of a certificate is not told, and asking for it is refused', () => {
    const manager: HttpConnectionManager = { set_current_client_cert_details: { chain: true } };
    const { errors } = decodeListener(httpListener({ routes: routeConfiguration([]), manager }));
    expect(JSON.stringify(errors)).toContain('set_current_client_cert_details.chain');
  });
});

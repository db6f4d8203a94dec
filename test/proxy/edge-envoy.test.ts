/** The edge beside a real Envoy: the same listeners, the same requests, and what arrives behind each of the two. */
import { spawn, type ChildProcess } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HttpConnectionManager, Listener, VirtualHost } from '../../proxy/api/envoy.gen.ts';
import { findExecutable } from '../../bench/executable.ts';
import { Backend, echoOf } from '../support/backend.ts';
import { httpListener, routeTo, staticCluster } from '../support/envoy-json.ts';
import { requirePeers } from '../support/peers.ts';
import { ProxyParts } from '../support/proxy-parts.ts';
import { unusedPort } from '../support/unused-port.ts';

const internal_address_config = { cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] };

const managers: Readonly<Record<string, HttpConnectionManager>> = {
  edge: { use_remote_address: true },
  behindTwo: { use_remote_address: true, xff_num_trusted_hops: 2 },
  inside: { internal_address_config: { cidr_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }] } },
  home: { use_remote_address: true, internal_address_config },
  strict: {
    use_remote_address: true,
    normalize_path: true,
    merge_slashes: true,
    path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT',
    common_http_protocol_options: { headers_with_underscores_action: 'REJECT_REQUEST' },
  },
  lenient: {
    normalize_path: true,
    path_with_escaped_slashes_action: 'UNESCAPE_AND_FORWARD',
    common_http_protocol_options: { headers_with_underscores_action: 'DROP_HEADER' },
  },
};
type Headers = Readonly<Record<string, string>>;
const hops = '203.0.113.128, 203.0.113.10, 203.0.113.1';

const requests: readonly [manager: string, path: string, headers: Headers][] = [
  ['edge', '/', {}],
  ['edge', '/', { 'x-forwarded-for': hops, 'x-envoy-internal': 'true', 'x-forwarded-proto': 'https' }],
  ['edge', '/', { 'x-envoy-retry-on': '5xx', 'x-envoy-original-path': '/a', 'x-forwarded-client-cert': 'By=a' }],
  ['edge', '/', { 'x-envoy-external-address': '10.0.0.1', 'x-envoy-upstream-rq-timeout-ms': '1000' }],
  ['edge', '/a?b', { host: 'tls.example.com:8080' }],
  ['edge', '/a?b', { host: 'outsiders.example.com' }],
  ['home', '/a?b', { host: 'outsiders.example.com' }],
  ['home', '/', { 'x-request-id': 'mine', 'x-forwarded-client-cert': 'By=a' }],
  ['home', '/', { 'x-forwarded-for': '10.9.9.9', 'x-envoy-max-retries': '1' }],
  ['behindTwo', '/', { 'x-forwarded-for': hops, 'x-forwarded-proto': 'https' }],
  ['behindTwo', '/', { 'x-forwarded-for': '203.0.113.1' }],
  ['inside', '/', { 'x-forwarded-for': '10.20.30.40', 'x-envoy-internal': 'false' }],
  ['inside', '/', { 'x-forwarded-for': `${hops}, 192.0.2.5`, 'x-envoy-internal': 'true' }],
  ['inside', '/', {}],
  ['strict', '/a%2Fb%5cc//d/../e?x=%2f', {}],
  ['strict', '/', { a_b: '1' }],
  ['strict', '//a//b/./c', {}],
  ['lenient', '/a%2Fb%2f%2fc', { a_b: '1', 'a-b': '2' }],
];

/** What does not depend on who says it. */
const compared = [
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-client-cert',
  'x-envoy-internal',
  'x-envoy-external-address',
  'x-envoy-original-path',
  'x-envoy-retry-on',
  'x-envoy-max-retries',
  'a_b',
  'a-b',
];

function listenersAt(ports: readonly number[]): Listener[] {
  const host = (name: string, require_tls: NonNullable<VirtualHost['require_tls']>): VirtualHost => {
    return { name, domains: [`${name}.example.com`], require_tls, routes: [routeTo('backend')] };
  };
  const route_config = {
    ignore_port_in_host_matching: true,
    virtual_hosts: [
      host('tls', 'ALL'),
      host('outsiders', 'EXTERNAL_ONLY'),
      { name: 'all', domains: ['*'], routes: [routeTo('backend')] },
    ],
  };
  return Object.entries(managers).map(([name, manager], i) =>
    httpListener({ name, port: ports[i] ?? 0, routes: route_config, manager }),
  );
}

function ask(port: number, path: string, headers: Headers): Promise<object> {
  return new Promise((resolve, reject) => {
    const request = http.get({ port, path, headers, agent: false, timeout: 5000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const { statusCode: status = 0, headers: answer } = response;
        if (status !== 200) return resolve({ status, location: answer.location });
        const seen = echoOf({ body: Buffer.concat(chunks).toString() });
        const kept = compared.map((name) => [name, seen.headers[name]]);
        resolve({ status, path: seen.url, ...Object.fromEntries(kept) });
      });
    });
    request.on('error', reject);
  });
}

describe('R10: at the edge the proxy and a real Envoy agree', () => {
  let envoy: ChildProcess | undefined;
  let backend: Backend;
  let proxy: ProxyParts;
  const file = join(tmpdir(), `heddle-edge-${process.pid}.json`);
  const ports: { readonly own: Record<string, number>; readonly envoy: Record<string, number> } = {
    own: {},
    envoy: {},
  };

  beforeAll(async () => {
    if (findExecutable('envoy') === undefined) return;
    backend = await Backend.start();
    const chosen = await Promise.all(Object.keys(managers).map(() => unusedPort()));
    const clusters = [staticCluster('backend', [backend.port])];
    writeFileSync(file, JSON.stringify({ static_resources: { listeners: listenersAt(chosen), clusters } }));
    const options = ['-c', file, '--concurrency', '1', '--disable-hot-restart', '-l', 'off'];
    envoy = spawn('envoy', options, { stdio: 'ignore' });
    Object.keys(managers).forEach((name, i) => void (ports.envoy[name] = chosen[i] ?? 0));
    const [first] = listenersAt([]);
    const { route_config } = (first?.filter_chains?.[0]?.filters?.[0]?.typed_config ?? {}) as HttpConnectionManager;
    proxy = await new ProxyParts({ routes: route_config ?? {}, clusters, listeners: listenersAt([]) }).start();
    for (const name of Object.keys(managers)) ports.own[name] = proxy.port(name);
    await untilAnswered(chosen.at(-1) ?? 0);
  }, 60_000);

  afterAll(async () => {
    envoy?.kill('SIGKILL');
    rmSync(file, { force: true });
    await proxy?.close();
    await backend?.close();
  });

  test.for(requests)('%s: %s %o', async ([manager, path, headers], context) => {
    requirePeers(context, 'envoy');
    const own = await ask(ports.own[manager] ?? 0, path, headers);
    expect(own).toEqual(await ask(ports.envoy[manager] ?? 0, path, headers));
  });
});

async function untilAnswered(port: number): Promise<void> {
  const endMs = performance.now() + 30_000;
  while (performance.now() < endMs) {
    const isUp = await ask(port, '/', {}).then(
      () => true,
      () => false,
    );
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('Envoy does not answer');
}

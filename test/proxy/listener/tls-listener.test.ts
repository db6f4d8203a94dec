import tls from 'node:tls';
import { afterAll, describe, expect, test } from 'vitest';
import { typeUrlOf } from '../../../proxy/api/discovery.ts';
import type { DownstreamTlsContext, FilterChain, Listener } from '../../../proxy/api/envoy.gen.ts';
import { closeAfterTest } from '../../support/closing.ts';
import {
  httpListener,
  listenerFilters,
  routeConfiguration,
  staticCluster,
  tcpChain,
} from '../../support/envoy-json.ts';
import { Authority } from '../../support/pki.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { okResponse, RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { until } from '../../support/turns.ts';

const authority = new Authority();
const shop = authority.issue({ names: ['DNS:shop.example.com'], commonName: 'shop' });

afterAll(() => authority.close());

const ending = (context: DownstreamTlsContext = {}): Pick<FilterChain, 'transport_socket'> => ({
  transport_socket: {
    name: 'tls',
    typed_config: {
      '@type': typeUrlOf('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
      common_tls_context: {
        tls_certificates: [
          { certificate_chain: { inline_string: shop.cert }, private_key: { inline_string: shop.key } },
        ],
      },
      ...context,
    },
  },
});

const [httpChain = {}] = httpListener({ routes: routeConfiguration([]) }).filter_chains ?? [];

interface Scene {
  readonly proxy: ProxyParts;
  readonly backend: RawBackend;
  readonly port: number;
}

async function start(listener: Listener): Promise<Scene> {
  const backend = closeAfterTest(new RawBackend());
  await backend.start();
  const proxy = closeAfterTest(
    new ProxyParts({
      routes: routeConfiguration([{ match: { prefix: '/' }, route: { cluster: 'backend' } }]),
      clusters: [staticCluster('backend', [backend.port])],
      listeners: [{ address: { socket_address: { address: '127.0.0.1', port_value: 0 } }, ...listener, name: 'edge' }],
    }),
  );
  await proxy.start();
  return { proxy, backend, port: proxy.port('edge') };
}

interface Heard {
  readonly text: string;
  readonly failed: boolean;
}

/** Opens TLS, sends `text` and hears what comes until the server closes or `enough` has come. */
function talk(port: number, text: string, options: tls.ConnectionOptions & { enough?: string } = {}): Promise<Heard> {
  const { enough = okResponse, ...rest } = options;
  return new Promise((resolve) => {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...rest });
    let heard = '';
    let failed = false;
    socket.on('secureConnect', () => socket.write(text));
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString('latin1');
      if (heard.endsWith(enough)) socket.destroy();
    });
    socket.on('error', () => (failed = true));
    socket.on('close', () => resolve({ text: heard, failed }));
  });
}

const get = 'GET /a HTTP/1.1\r\nhost: shop.example.com\r\n\r\n';

describe('a filter chain that ends TLS', () => {
  test('serves HTTP inside of it, requests one after the other', async () => {
    const { backend, port, proxy } = await start({ filter_chains: [{ ...httpChain, ...ending() }] });
    const heard = await talk(port, get + get, { servername: 'shop.example.com', enough: 'ok' });
    expect(heard.text).toContain('HTTP/1.1 200 OK');
    await until(() => backend.requests.length >= 1);
    expect(backend.requests[0]?.startLine).toBe('GET /a HTTP/1.1');
    expect(proxy.stat('listener.127.0.0.1_0.ssl.handshake')).toBe(1);
  });

  test('serves raw bytes inside of it, and both ends hear the end', async () => {
    const { backend, port, proxy } = await start({
      filter_chains: [{ ...tcpChain({ cluster: 'backend' }), ...ending() }],
    });
    const heard = talk(port, 'hello', { enough: 'never' });
    await until(() => backend.connections[0]?.received === 'hello');
    backend.connections[0]?.socket.end('bye');
    expect(await heard).toEqual({ text: 'bye', failed: false });
    await until(() => proxy.connections.length === 1);
    expect(proxy.connections[0]?.responseFlags).toBe('-');
  });

  test('closes plain HTTP, and counts it', async () => {
    const { backend, port, proxy } = await start({ filter_chains: [{ ...httpChain, ...ending() }] });
    const client = closeAfterTest(await RawClient.connect(port));
    client.send(get);
    await client.untilOver();
    expect(client.text).toBe('');
    expect(backend.requests).toEqual([]);
    expect(proxy.stat('listener.127.0.0.1_0.ssl.connection_error')).toBe(1);
  });

  test('survives a ClientHello that ends at any byte, in FIN or RST', async () => {
    const { port, proxy } = await start({ filter_chains: [{ ...httpChain, ...ending() }] });
    const hello = await clientHello();
    for (let length = 0; length < hello.length; length += 7) {
      const client = closeAfterTest(await RawClient.connect(port));
      client.socket.write(hello.subarray(0, length));
      if (length % 2 === 0) client.end();
      else client.reset();
      await client.untilOver();
    }
    expect((await talk(port, get, { enough: 'ok' })).text).toContain('200 OK');
    expect(proxy.faults).toEqual([]);
    await until(() => proxy.stat('http.test.downstream_cx_active') === 0);
  });

  test('wants a certificate of the client where it is told to', async () => {
    const mutual = ending({
      require_client_certificate: true,
      common_tls_context: {
        tls_certificates: [
          { certificate_chain: { inline_string: shop.cert }, private_key: { inline_string: shop.key } },
        ],
        validation_context: { trusted_ca: { inline_string: authority.cert } },
      },
    });
    const { port } = await start({ filter_chains: [{ ...httpChain, ...mutual }] });
    expect((await talk(port, get, { enough: 'ok' })).failed).toBe(true);
    const known = { cert: shop.cert, key: shop.key, enough: 'ok' };
    expect((await talk(port, get, known)).text).toContain('200 OK');
  });
});

test('TLS at a port of plain HTTP is told so in plain text, and closed', async () => {
  const { backend, port } = await start({ filter_chains: [httpChain] });
  const client = closeAfterTest(await RawClient.connect(port));
  client.socket.write(await clientHello());
  await client.untilOver();
  expect(client.text).toMatch(/^HTTP\/1\.1 400 /);
  expect(backend.requests).toEqual([]);
});

describe('a listener that looks for TLS', () => {
  const byName: Listener = {
    listener_filters: listenerFilters('tls_inspector'),
    filter_chains: [
      { ...httpChain, ...ending(), filter_chain_match: { server_names: ['shop.example.com'] } },
      tcpChain({ cluster: 'backend' }, { server_names: ['*.through.example.com'] }),
    ],
  };

  test('ends it or passes it through untouched, by the name that the client asks for', async () => {
    const { backend, port } = await start(byName);
    expect((await talk(port, get, { servername: 'shop.example.com', enough: 'ok' })).text).toContain('200 OK');
    const hello = await clientHello('a.through.example.com');
    const client = closeAfterTest(await RawClient.connect(port));
    for (const byte of hello) client.socket.write(Buffer.of(byte));
    await until(() => backend.connections.some(({ received }) => received.length === hello.length));
    const passed = backend.connections.find(({ received }) => received.length === hello.length);
    expect(passed?.received).toBe(hello.toString('latin1'));
  });

  test('closes what no chain is for: another name, no name, plain text', async () => {
    const { port, proxy } = await start(byName);
    expect((await talk(port, get, { servername: 'other.example.com' })).failed).toBe(true);
    expect((await talk(port, get)).failed).toBe(true);
    const client = closeAfterTest(await RawClient.connect(port));
    client.send(get);
    await client.untilOver();
    expect(client.text).toBe('');
    expect(proxy.stat('listener.127.0.0.1_0.no_filter_chain_match')).toBe(3);
  });

  test('serves plain text beside TLS, each by the chain of its transport', async () => {
    const { port } = await start({
      listener_filters: listenerFilters('tls_inspector'),
      filter_chains: [
        { ...httpChain, ...ending(), filter_chain_match: { transport_protocol: 'tls' } },
        { ...httpChain, filter_chain_match: { transport_protocol: 'raw_buffer' } },
      ],
    });
    expect((await talk(port, get, { enough: 'ok' })).text).toContain('200 OK');
    const client = closeAfterTest(await RawClient.connect(port));
    client.send(get);
    expect((await client.untilResponses(1))[0]?.startLine).toBe('HTTP/1.1 200 OK');
  });

  test('does not keep more of an endless ClientHello than it looks at', async () => {
    const { port, proxy } = await start(byName);
    const client = closeAfterTest(await RawClient.connect(port));
    // A record of a handshake message that says it is 16 MB long.
    const record = Buffer.concat([Buffer.of(22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff), Buffer.alloc(16_380)]);
    for (let i = 0; i < 100 && !client.isOver; i++) {
      client.socket.write(record);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.untilOver();
    expect(proxy.faults).toEqual([]);
  });
});

/** The first bytes of a client of TLS. */
async function clientHello(servername = 'shop.example.com'): Promise<Buffer> {
  const server = closeAfterTest(new RawBackend());
  await server.start();
  const socket = tls.connect({ host: '127.0.0.1', port: server.port, servername });
  socket.on('error', () => {});
  await until(() => (server.connections[0]?.received.length ?? 0) > 100);
  socket.destroy();
  return Buffer.from(server.connections[0]?.received ?? '', 'latin1');
}

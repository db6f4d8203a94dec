import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DownstreamTls } from '../../../proxy/api/tls.ts';
import type { DownstreamTlsContext as DownstreamTlsJson, TransportSocket } from '../../../proxy/api/envoy.gen.ts';
import { decodeFields } from '../../../proxy/api/fields.ts';
import { readDownstreamTls } from '../../../proxy/api/tls-decoder.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { TransportFailure } from '../../../proxy/common/errors.ts';
import { sharedReadBuffer } from '../../../proxy/common/io-buffers.ts';
import { acceptSockets, type SocketHandler } from '../../../proxy/common/socket.ts';
import { StatsStore } from '../../../proxy/common/stats.ts';
import { TimerWheel } from '../../../proxy/common/timer-wheel.ts';
import { CertificateStore } from '../../../proxy/tls/certificate-store.ts';
import { DownstreamTlsContext } from '../../../proxy/tls/downstream-tls.ts';
import { acceptTls, type TlsFacts } from '../../../proxy/tls/tls-socket.ts';
import { inspectClientHello } from '../../../proxy/tls/client-hello.ts';
import { catchNodeHello } from '../../support/client-hello.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { Authority, type Certificate } from '../../support/pki.ts';
import { until } from '../../support/turns.ts';

let authority: Authority;
let other: Authority;
let shop: Certificate;
let wild: Certificate;
beforeAll(() => {
  authority = new Authority();
  other = new Authority('another authority');
  shop = authority.issue({ names: ['DNS:shop.example.com'], commonName: 'shop' });
  wild = authority.issue({ names: ['DNS:*.example.com'], commonName: 'wild' });
});
afterAll(() => {
  authority.close();
  other.close();
});

const inline = (text: string) => ({ inline_string: text });
const pair = ({ cert, key }: Certificate) => ({ certificate_chain: inline(cert), private_key: inline(key) });

function decodeTls(json: DownstreamTlsJson): DownstreamTls {
  const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';
  const transport_socket: TransportSocket = { name: 'tls', typed_config: { '@type': type, ...json } };
  const decoded = decodeFields({ transport_socket }, '', (fields) =>
    readDownstreamTls(fields.message('transport_socket')),
  );
  const value = requireValue(decoded, 'sample');
  if (value === undefined) throw new Error('no TLS');
  return value;
}

/** A listener that sends back what it gets, as a proxy would use it: the hello is read from the raw socket first. */
class EchoListener {
  readonly stats = new StatsStore();
  readonly clock = new ManualClock();
  readonly store = new CertificateStore({ clock: this.clock });
  readonly context: DownstreamTlsContext;
  readonly facts: TlsFacts[] = [];
  readonly failures: (Error | undefined)[] = [];
  closed = 0;
  /** The memory that reads after the handshake came in. */
  readonly memory = new Set<ArrayBufferLike>();
  readonly #server = net.createServer({ allowHalfOpen: true });

  constructor(config: DownstreamTls) {
    const timers = new TimerWheel(this.clock);
    const { stats, store } = this;
    this.context = new DownstreamTlsContext(config, { store, stats, timers, listenerAddress: '0.0.0.0_443' });
  }

  static async start(json: DownstreamTlsJson): Promise<EchoListener> {
    const listener = closeAfterTest(new EchoListener(decodeTls(json)));
    const server = listener.#server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    acceptSockets(server, {
      accept: (socket) => ({ handler: listener.#inspect(socket), whenWarm: (startReading) => startReading() }),
    });
    return listener;
  }

  #inspect(raw: net.Socket): SocketHandler {
    let seen = Buffer.alloc(0);
    return {
      onBytes: (bytes, length) => {
        seen = Buffer.concat([seen, bytes.subarray(0, length)]);
        if (inspectClientHello(seen).kind === 'incomplete') return true;
        setImmediate(() => this.accept(raw, seen));
        return false;
      },
      onEnd: () => {},
      onDrain: () => {},
      onClose: () => {},
    };
  }

  accept(raw: net.Socket, firstBytes: Buffer): void {
    acceptTls(raw, firstBytes, this.context, {
      onHandshake: (socket, facts) => {
        this.facts.push(facts);
        return {
          onBytes: (bytes, length) => {
            this.memory.add(bytes.buffer);
            if (bytes.toString('latin1', 0, length) === 'fault') throw new Error('a fault of ours');
            return socket.write(Buffer.from(bytes.subarray(0, length)));
          },
          onEnd: () => socket.end(),
          onDrain: () => socket.resume(),
          onClose: () => {
            this.closed += 1;
          },
        };
      },
      onFailure: (failure) => this.failures.push(failure),
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  stat(name: string): number {
    return this.stats.counter(`listener.0.0.0.0_443.ssl.${name}`).value;
  }

  close(): void {
    this.#server.close();
    this.store.close();
  }
}

interface Conversation {
  readonly socket: tls.TLSSocket;
  /** What came back until the server closed. */
  readonly text: string;
  readonly error: NodeJS.ErrnoException | undefined;
  /** Common name of the certificate that was shown. */
  readonly shown: string | undefined;
}

/** Sends `text` and FIN, and reads to the end. */
function talk(port: number, options: tls.ConnectionOptions = {}, text = 'hello'): Promise<Conversation> {
  return new Promise((resolve) => {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
    let received = '';
    let error: Error | undefined = undefined;
    let shown: string | undefined = undefined;
    socket.on('secureConnect', () => {
      shown = /CN=(.*)/.exec(socket.getPeerX509Certificate()?.subject ?? '')?.[1];
      socket.end(text);
    });
    socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
    socket.on('error', (cause) => (error = cause));
    socket.on('close', () => resolve({ socket, text: received, error, shown }));
  });
}

describe('a listener with TLS', () => {
  it('speaks TLS 1.3 with those who can, and carries bytes both ways to the end', async () => {
    const listener = await EchoListener.start({ common_tls_context: { tls_certificates: [pair(shop)] } });
    const large = 'x'.repeat(3_000_000);
    const { text, error } = await talk(listener.port, { servername: 'Shop.example.com' }, large);
    expect(error).toBeUndefined();
    expect(text === large).toBe(true);
    expect(listener.facts).toMatchObject([
      { serverName: 'shop.example.com', alpn: '', version: 'TLSv1.3', peerCertificate: undefined },
    ]);
    expect(listener.stat('handshake')).toBe(1);
    expect(listener.stat('no_certificate')).toBe(1);
    expect(listener.stat('connection_error')).toBe(0);
    await until(() => listener.closed === 1);
    // The shared buffer, and what waits for its turn: none of its own for each record.
    expect(listener.memory).toContain(sharedReadBuffer.buffer);
    expect(listener.memory.size).toBeLessThanOrEqual(2);
  });

  it('does not go below TLS 1.2', async () => {
    const listener = await EchoListener.start({ common_tls_context: { tls_certificates: [pair(shop)] } });
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    expect((await talk(listener.port, old)).error?.code).toMatch(/PROTOCOL_VERSION/);
    expect((await talk(listener.port, { maxVersion: 'TLSv1.2' })).text).toBe('hello');
    expect(listener.stat('connection_error')).toBe(1);
    expect(listener.failures).toHaveLength(1);
    expect(listener.failures[0]).toBeInstanceOf(TransportFailure);
  });

  it('has a certificate for each server name, wildcards for one label, and the first for all others', async () => {
    const both = { tls_certificates: [pair(shop), pair(wild)] };
    const listener = await EchoListener.start({ common_tls_context: both });
    const shownTo = async (servername: string) => (await talk(listener.port, { servername })).shown;
    expect(await shownTo('shop.example.com')).toBe('shop');
    expect(await shownTo('news.example.com')).toBe('wild');
    expect(await shownTo('a.b.example.com')).toBe('shop');
    expect(await shownTo('example.com')).toBe('shop');
    expect(await shownTo('')).toBe('shop');
  });

  it('has an RSA and an ECDSA certificate for one name, and shows the one that the client understands', async () => {
    const rsa = authority.issue({ names: ['DNS:shop.example.com'], keyType: 'rsa', commonName: 'rsa' });
    const listener = await EchoListener.start({ common_tls_context: { tls_certificates: [pair(rsa), pair(shop)] } });
    const shownTo = async (sigalgs: string) =>
      (await talk(listener.port, { servername: 'shop.example.com', sigalgs })).shown;
    expect(await shownTo('rsa_pss_rsae_sha256')).toBe('rsa');
    expect(await shownTo('ecdsa_secp256r1_sha256')).toBe('shop');
  });

  it('chooses a protocol by its own preference, and serves clients with none in common without one', async () => {
    const alpn_protocols = ['h2', 'http/1.1'];
    const listener = await EchoListener.start({
      common_tls_context: { tls_certificates: [pair(shop)], alpn_protocols },
    });
    const agreed = async (...ALPNProtocols: string[]) =>
      (await talk(listener.port, { ALPNProtocols })).socket.alpnProtocol;
    expect(await agreed('http/1.1', 'h2')).toBe('h2');
    expect(await agreed('http/1.1')).toBe('http/1.1');
    expect(await agreed('spdy/3')).toBe(false);
    expect(listener.facts.map((facts) => facts.alpn)).toEqual(['h2', 'http/1.1', '']);
  });

  it('uses a new secret of SDS for new connections, and has none to show before the first', async () => {
    const sds = { name: 'default', sds_config: { ads: {} } };
    const listener = await EchoListener.start({ common_tls_context: { tls_certificate_sds_secret_configs: [sds] } });
    expect((await talk(listener.port)).text).toBe('');
    expect(listener.failures[0]?.message).toBe('secret default has not come from SDS yet');
    const give = ({ cert, key }: Certificate) =>
      listener.store.updateSecret({
        name: 'default',
        content: {
          kind: 'tls_certificate',
          certificate: {
            certificateChain: { kind: 'inline', text: cert },
            privateKey: { kind: 'inline', text: key },
            password: undefined,
            watchedDirectory: '',
          },
        },
      });
    give(shop);
    const open = tls.connect({ host: '127.0.0.1', port: listener.port, rejectUnauthorized: false });
    await new Promise<void>((resolve) => open.once('secureConnect', resolve));
    give(wild);
    expect(give({ cert: shop.cert, key: wild.key })).toMatchObject([
      { path: 'tls_certificate', message: expect.stringMatching(/mismatch/) },
    ]);
    expect((await talk(listener.port)).shown).toBe('wild');
    const echoed = new Promise<string>((resolve) => open.once('data', (chunk: Buffer) => resolve(chunk.toString())));
    open.write('still here');
    expect(await echoed).toBe('still here');
    open.destroy();
  });
});

describe('a listener that asks for client certificates', () => {
  const asking = (rest: Partial<DownstreamTlsJson> = {}, names: object = {}): DownstreamTlsJson => ({
    common_tls_context: {
      tls_certificates: [pair(shop)],
      validation_context: { trusted_ca: inline(authority.cert), ...names },
    },
    ...rest,
  });
  const required = { require_client_certificate: true };
  const spiffe = { match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'spiffe://mesh/' } }] };
  const clientOf = (from: Authority, name = 'URI:spiffe://mesh/a') => from.issue({ names: [name] });

  it('knows who the client is', async () => {
    const listener = await EchoListener.start(asking(required, spiffe));
    expect((await talk(listener.port, clientOf(authority))).text).toBe('hello');
    expect(listener.facts[0]?.peerCertificate?.subjectAltName).toBe('URI:spiffe://mesh/a');
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('sends away one without, if it is required (%s)', async (maxVersion) => {
    const listener = await EchoListener.start(asking(required));
    expect((await talk(listener.port, { maxVersion })).text).toBe('');
    await until(() => listener.failures.length === 1);
    expect(listener.stat('fail_verify_no_cert')).toBe(1);
    expect(listener.facts).toEqual([]);
  });

  it('serves one without, if it is not required, but none with a bad one', async () => {
    const listener = await EchoListener.start(asking());
    expect((await talk(listener.port)).text).toBe('hello');
    expect(listener.stat('no_certificate')).toBe(1);
    expect((await talk(listener.port, clientOf(other))).text).toBe('');
    expect(listener.stat('fail_verify_error')).toBe(1);
  });

  it.each<[string, () => Certificate, object, string]>([
    ['of another authority', () => clientOf(other), {}, 'fail_verify_error'],
    ['that has expired', () => authority.issue({ isExpired: true }), {}, 'fail_verify_error'],
    ['of another name', () => clientOf(authority, 'URI:spiffe://other/a'), spiffe, 'fail_verify_san'],
  ])('sends away one with a certificate %s', async (_what, certificate, names, stat) => {
    const listener = await EchoListener.start(asking(required, names));
    expect((await talk(listener.port, certificate())).text).toBe('');
    await until(() => listener.failures.length === 1);
    expect(listener.stat(stat)).toBe(1);
    expect(listener.failures[0]?.message).toMatch(/^the peer's certificate /);
  });

  it('knows who the client is when a session is resumed', async () => {
    const listener = await EchoListener.start(asking(required, spiffe));
    const certificate = clientOf(authority);
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      let session: Buffer | undefined = undefined;
      for (let i = 0; i < 2; i++) {
        const options = { ...certificate, maxVersion, ...(session === undefined ? {} : { session }) };
        const { socket, text } = await talk(listener.port, options);
        expect(text).toBe('hello');
        session = socket.getSession();
      }
    }
    expect(listener.facts.map(({ peerCertificate }) => peerCertificate?.subjectAltName)).toEqual(
      Array.from({ length: 4 }, () => 'URI:spiffe://mesh/a'),
    );
  });
});

describe('bad input', () => {
  const start = () => EchoListener.start({ common_tls_context: { tls_certificates: [pair(shop)] } });

  function send(port: number, bytes: Buffer): Promise<string> {
    return new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
      let received = '';
      socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
      socket.on('error', () => {});
      socket.on('close', () => resolve(received));
    });
  }

  it.each([
    ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a hello of 16 MB', Buffer.concat([Buffer.from([22, 3, 1, 0x40, 0, 1, 255, 255, 255]), Buffer.alloc(16_777_216)])],
  ])('%s is closed at once and counted', async (_what, bytes) => {
    const listener = await start();
    expect(await send(listener.port, bytes)).toBe('');
    expect(listener.stat('connection_error')).toBe(1);
    expect(listener.failures).toHaveLength(1);
  });

  it('a client that stops within the handshake is closed when its time is over', async () => {
    const listener = await start();
    const hello = await catchNodeHello({});
    const closed = send(listener.port, hello);
    await until(() => listener.clock.pendingTimers > 0);
    listener.clock.advance(15_100);
    expect((await closed).length).toBeGreaterThan(0);
    expect(listener.failures[0]?.message).toBe('the handshake was not over within 15000 ms');
    expect(listener.stat('connection_error')).toBe(1);
  });

  it('a client that goes away within the handshake is forgotten', async () => {
    const listener = await start();
    const hello = await catchNodeHello({});
    const socket = net.connect(listener.port, '127.0.0.1', () => socket.write(hello));
    socket.once('data', () => socket.resetAndDestroy());
    await until(() => listener.failures.length === 1);
    // The wheel stops at its next tick when nothing is armed.
    listener.clock.advance(40);
    expect(listener.clock.pendingTimers).toBe(0);
  });

  it('a fault of a handler costs its connection alone', async () => {
    const listener = await start();
    expect((await talk(listener.port, {}, 'fault')).text).toBe('');
    expect((await talk(listener.port)).text).toBe('hello');
    await until(() => listener.closed === 2);
  });
});

import { beforeAll, describe, expect, it } from 'vitest';
import { inspectClientHello, maxClientHelloBytes } from '../../../proxy/tls/client-hello.ts';
import * as hello from '../../support/client-hello.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const named = (serverName: string, alpn: readonly string[] = []): object => ({
  kind: 'client_hello',
  serverName,
  alpn,
});
const kindOf = (bytes: Uint8Array, length?: number): string => inspectClientHello(bytes, length).kind;
const withExtensions = (...extensions: readonly Buffer[]): Buffer =>
  hello.inRecords(hello.helloMessage({ extensions: Buffer.concat(extensions) }));

describe('the hello of a real client', () => {
  it('of Node has its server name and its protocols', async () => {
    const bytes = await hello.catchNodeHello({ servername: 'Shop.Example.com', ALPNProtocols: ['h2', 'http/1.1'] });
    expect(inspectClientHello(bytes)).toEqual(named('shop.example.com', ['h2', 'http/1.1']));
  });

  it('of Node without a server name and protocols has none', async () => {
    expect(inspectClientHello(await hello.catchNodeHello({}))).toEqual(named(''));
  });

  it.each([
    ['TLS 1.3', ['-tls1_3']],
    ['TLS 1.2', ['-tls1_2']],
    ['whatever it likes', []],
  ])('of openssl with %s is understood', async (_name, args) => {
    const asked = ['-servername', 'shop.example.com', '-alpn', 'istio,h2'];
    const bytes = await hello.catchOpensslHello([...args, ...asked]);
    expect(inspectClientHello(bytes)).toEqual(named('shop.example.com', ['istio', 'h2']));
  });
});

describe('a hello that comes in parts', () => {
  let whole: Buffer;
  beforeAll(async () => {
    whole = await hello.catchNodeHello({ servername: 'shop.example.com', ALPNProtocols: ['h2'] });
  });

  it('is incomplete until its last byte, and bytes behind it do not matter', () => {
    for (let length = 0; length < whole.length; length++) expect(kindOf(whole, length), `${length}`).toBe('incomplete');
    expect(kindOf(Buffer.concat([whole, Buffer.from('GET / HTTP/1.1')]))).toBe('client_hello');
  });

  it.each([1, 2, 3, 5, 100])('is put together from records of %i bytes, and incomplete until the last', (size) => {
    const records = hello.inRecords(whole.subarray(5), size);
    expect(inspectClientHello(records)).toEqual(named('shop.example.com', ['h2']));
    for (let length = 0; length < records.length; length++) expect(kindOf(records, length)).toBe('incomplete');
  });

  it('is never taken for a name that it has not when a byte of it is another one', () => {
    const random = seededRandom(20_260_101);
    const kinds = new Set<string>();
    for (let round = 0; round < 20_000; round++) {
      const bytes = Buffer.from(whole);
      for (let count = 1 + Math.floor(random() * 3); count > 0; count--) {
        bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
      }
      const result = inspectClientHello(bytes, Math.floor(random() * 1.2 * bytes.length));
      kinds.add(result.kind);
      if (result.kind !== 'client_hello') continue;
      expect(result.serverName).toMatch(/^[a-z0-9_.-]*$/);
      expect(result.alpn.every((protocol) => protocol.length > 0)).toBe(true);
    }
    expect([...kinds].sort()).toEqual(['client_hello', 'incomplete', 'not_tls', 'too_large']);
  });
});

describe('what is too large', () => {
  it('is known by its header, before 16 MB of it have come', () => {
    const header = Buffer.from([22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff]);
    expect(kindOf(header)).toBe('too_large');
    expect(kindOf(Buffer.concat([header, Buffer.alloc(16_777_216)]))).toBe('too_large');
  });

  it('may not be split into so many records that it never ends', () => {
    const message = hello.helloMessage({ extensions: hello.extension(21, Buffer.alloc(8_000)) });
    const records = hello.inRecords(message, 1);
    expect(kindOf(records, maxClientHelloBytes - 1)).toBe('incomplete');
    expect(kindOf(records, maxClientHelloBytes)).toBe('too_large');
    expect(kindOf(hello.inRecords(message, 1_000))).toBe('client_hello');
  });

  it('is a byte more than 16 KiB', () => {
    const padded = (bytes: number): Buffer => withExtensions(hello.extension(21, Buffer.alloc(bytes)));
    const spare = maxClientHelloBytes - padded(0).length;
    expect(kindOf(padded(spare))).toBe('client_hello');
    expect(kindOf(padded(spare + 1))).toBe('too_large');
  });
});

describe('what is no TLS', () => {
  it.each([
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['another kind of record', Buffer.from([23, 3, 1])],
    ['another protocol', Buffer.from([22, 2])],
    ['another message', Buffer.from([22, 3, 1, 0, 4, 2])],
    ['an empty fragment', Buffer.from([22, 3, 1, 0, 0])],
    ['a fragment that is too long', Buffer.from([22, 3, 1, 0x40, 1])],
    ['another record within the message', Buffer.from([22, 3, 1, 0, 1, 1, 21])],
    ['a hello of SSL 2.0', Buffer.from([0x80, 0x2e, 1, 3, 1])],
  ])('%s is told at once', (_name, bytes) => {
    expect(kindOf(bytes)).toBe('not_tls');
  });

  it.each<[string, hello.HelloParts]>([
    ['a long session id', { sessionId: Buffer.alloc(33) }],
    ['no cipher suites', { cipherSuites: Buffer.alloc(0) }],
    ['half a cipher suite', { cipherSuites: Buffer.alloc(3) }],
    ['no compression method', { compressionMethods: Buffer.alloc(0) }],
    ['half an extension', { extensions: Buffer.from([0, 16, 0]) }],
    ['an extension longer than all of them', { extensions: Buffer.from([0, 16, 0, 9, 0]) }],
    ['two server names', { extensions: Buffer.concat([hello.serverName('a.b'), hello.serverName('c.d')]) }],
    ['two lists of protocols', { extensions: Buffer.concat([hello.alpn('h2'), hello.alpn('h2')]) }],
    ['an empty server name', { extensions: hello.serverName('') }],
    ['a server name of another type', { extensions: hello.serverName('a.b', 1) }],
    ['no protocol at all', { extensions: hello.alpn() }],
    ['a protocol without a name', { extensions: hello.alpn('h2', '') }],
  ])('a hello with %s is refused', (_name, parts) => {
    expect(kindOf(hello.inRecords(hello.helloMessage(parts)))).toBe('not_tls');
  });

  it('a hello with a byte behind its extensions is refused', () => {
    const message = Buffer.concat([hello.helloMessage({ extensions: hello.alpn('h2') }), Buffer.from([0])]);
    message.writeUInt16BE(message.length - 4, 2);
    expect(kindOf(hello.inRecords(message))).toBe('not_tls');
  });
});

describe('a server name', () => {
  it.each(['10.0.0.1', '::1', 'shop example', 'shop\0.example', '*.example', 'schöp.example', 'a'.repeat(300)])(
    'that is no host name is none: %j',
    (name) => {
      expect(inspectClientHello(withExtensions(hello.serverName(name), hello.alpn('h2')))).toEqual(named('', ['h2']));
    },
  );

  it('need not be there, and neither need any extension', () => {
    expect(inspectClientHello(hello.inRecords(hello.helloMessage({})))).toEqual(named(''));
    expect(inspectClientHello(withExtensions())).toEqual(named(''));
  });

  it("as Istio's sidecars write it is one", () => {
    const name = 'outbound_.80_.v1_.reviews.default.svc.cluster.local';
    expect(inspectClientHello(withExtensions(hello.serverName(name)))).toEqual(named(name));
  });
});

/** gRPC through the proxy, by the client and the server of gRPC for JavaScript: all kinds of calls, and how they fail. */
import {
  Client,
  type Metadata,
  Metadata as GrpcMetadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  credentials,
  status as Status,
} from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CodecProxy } from '../../support/codec-proxy.ts';
import { digestOf, randomBytes } from '../../support/http2/bodies.ts';
import { downstreamProtocolCluster, http2Cluster } from '../../support/http2/bootstraps.ts';
import { until } from '../../support/turns.ts';
import { unusedPort } from '../../support/unused-port.ts';

const same = (bytes: Buffer): Buffer => bytes;

function method(name: string, requestStream: boolean, responseStream: boolean): ServiceDefinition[string] {
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}

const service = {
  unary: method('Unary', false, false),
  fail: method('Fail', false, false),
  hang: method('Hang', false, false),
  list: method('List', false, true),
  collect: method('Collect', true, false),
  chat: method('Chat', true, true),
};

/** Calls of the server that its client has cancelled. */
let cancelled = 0;
/** Calls that it does not answer. */
let hanging = 0;
const server = new Server({ 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 });
server.addService(service, {
  unary: (
    call: { request: Buffer; metadata: Metadata; sendMetadata(metadata: Metadata): void },
    callback: (error: null, value: Buffer, trailer: Metadata) => void,
  ) => {
    const head = new GrpcMetadata();
    head.set('x-seen', call.metadata.get('x-sent').join());
    call.sendMetadata(head);
    const trailer = new GrpcMetadata();
    trailer.set('x-digest', digestOf(call.request));
    trailer.set('x-bytes-bin', Buffer.from([0, 1, 255]));
    callback(null, call.request, trailer);
  },
  fail: (call: { request: Buffer }, callback: (error: Partial<ServiceError>) => void) => {
    callback({ code: Number(call.request.toString()), details: 'told to fail: Grüße %' });
  },
  hang: (call: { on(event: 'cancelled', listener: () => void): void }) => {
    hanging += 1;
    call.on('cancelled', () => (cancelled += 1));
  },
  list: (call: { request: Buffer; write(bytes: Buffer): boolean; end(): void }) => {
    for (let i = 0; i < Number(call.request.toString()); i++) call.write(Buffer.from(`item ${i}`));
    call.end();
  },
  collect: (
    call: { on(event: string, listener: (bytes: Buffer) => void): void },
    callback: (error: null, value: Buffer) => void,
  ) => {
    const parts: Buffer[] = [];
    call.on('data', (bytes) => parts.push(bytes));
    call.on('end', () => callback(null, Buffer.from(digestOf(Buffer.concat(parts)))));
  },
  chat: (call: {
    on(event: string, listener: (bytes: Buffer) => void): void;
    write(bytes: Buffer): void;
    end(): void;
  }) => {
    call.on('data', (bytes) => call.write(Buffer.from(`you said ${bytes.toString()}`)));
    call.on('end', () => call.end());
  },
});

let port = 0;

beforeAll(async () => {
  port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
});
afterAll(() => server.forceShutdown());

const clusters = {
  'a cluster of HTTP/2': http2Cluster(),
  'a cluster that follows its clients': downstreamProtocolCluster(),
};

describe.each(Object.entries(clusters))('gRPC to %s:', (_, cluster) => {
  let proxy: CodecProxy;
  let client: Client;

  beforeAll(async () => {
    proxy = await CodecProxy.start({ upstreamPorts: [port], cluster });
    client = new Client(`127.0.0.1:${proxy.port}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
    });
  });
  afterEach(() => {
    cancelled = 0;
    hanging = 0;
  });
  afterAll(async () => {
    client.close();
    await proxy.untilQuiet();
    await proxy.close();
  });

  interface UnaryResult {
    readonly error: ServiceError | null;
    readonly value: Buffer | undefined;
    readonly head: Metadata | undefined;
    readonly trailer: Metadata | undefined;
  }

  function unary(name: 'Unary' | 'Fail' | 'Hang', request: Buffer, deadlineMs = 10_000): Promise<UnaryResult> {
    return new Promise((resolve) => {
      let head: Metadata | undefined = undefined;
      let trailer: Metadata | undefined = undefined;
      const sent = new GrpcMetadata();
      sent.set('x-sent', 'one');
      const options = { deadline: Date.now() + deadlineMs };
      const call = client.makeUnaryRequest(`/test.Echo/${name}`, same, same, request, sent, options, (error, value) =>
        setImmediate(() => resolve({ error, value, head, trailer })),
      );
      call.on('metadata', (each) => (head = each));
      call.on('status', ({ metadata }) => (trailer = metadata));
    });
  }

  it.each([0, 1, 100_000, 5_000_000])(
    'a unary call with %i bytes has its metadata, its message and its trailers',
    async (bytes) => {
      const request = randomBytes(bytes);
      const { error, value, head, trailer } = await unary('Unary', request);
      expect(error).toBeNull();
      expect(value !== undefined && value.equals(request)).toBe(true);
      expect(head?.get('x-seen')).toEqual(['one']);
      expect(trailer?.get('x-digest')).toEqual([digestOf(request)]);
      expect(trailer?.get('x-bytes-bin')).toEqual([Buffer.from([0, 1, 255])]);
    },
  );

  it('a hundred unary calls at once', async () => {
    const calls = Array.from({ length: 100 }, (_, i) => unary('Unary', randomBytes(10_000 + i)));
    const results = await Promise.all(calls);
    expect(results.filter(({ error }) => error !== null)).toEqual([]);
    expect(results.map(({ value }) => value?.length)).toEqual(Array.from({ length: 100 }, (_, i) => 10_000 + i));
  });

  it.each([Status.NOT_FOUND, Status.UNAVAILABLE, Status.INTERNAL])('a status of %i in trailers alone', async (code) => {
    const { error } = await unary('Fail', Buffer.from(String(code)));
    expect(error).toMatchObject({ code, details: 'told to fail: Grüße %' });
  });

  it('a method that does not exist', async () => {
    const error = await new Promise<ServiceError | null>((resolve) => {
      client.makeUnaryRequest('/test.Echo/None', same, same, Buffer.alloc(0), resolve);
    });
    expect(error?.code).toBe(Status.UNIMPLEMENTED);
  });

  it('a deadline that passes is heard of by the server', async () => {
    const { error } = await unary('Hang', Buffer.alloc(0), 200);
    expect(error?.code).toBe(Status.DEADLINE_EXCEEDED);
    await until(
      () => cancelled === 1,
      () => `the server to hear of it, heard ${cancelled}`,
    );
  });

  it('a call that is cancelled is heard of by the server', async () => {
    let end: (error: ServiceError | null) => void = () => {};
    const ended = new Promise<ServiceError | null>((resolve) => (end = resolve));
    const call = client.makeUnaryRequest('/test.Echo/Hang', same, same, Buffer.from('x'), (error) => end(error));
    await until(
      () => hanging === 1,
      () => 'the call at the server',
    );
    call.cancel();
    const error = await ended;
    expect(error?.code).toBe(Status.CANCELLED);
    await until(
      () => cancelled === 1,
      () => `the server to hear of it, heard ${cancelled}`,
    );
  });

  it('a stream of the server', async () => {
    const items: string[] = [];
    const call = client.makeServerStreamRequest('/test.Echo/List', same, same, Buffer.from('500'));
    const code = await new Promise((resolve, reject) => {
      call.on('data', (bytes: Buffer) => items.push(bytes.toString()));
      call.on('error', reject);
      call.on('status', (status) => resolve(status.code));
    });
    expect(code).toBe(Status.OK);
    expect(items).toEqual(Array.from({ length: 500 }, (_, i) => `item ${i}`));
  });

  it('a stream of the client', async () => {
    const parts = Array.from({ length: 200 }, (_, i) => randomBytes(1_000 + i));
    const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
      const call = client.makeClientStreamRequest('/test.Echo/Collect', same, same, (error, value?: Buffer) =>
        error === null ? resolve(value) : reject(error),
      );
      for (const part of parts) call.write(part);
      call.end();
    });
    expect(answer?.toString()).toBe(digestOf(Buffer.concat(parts)));
  });

  it('a stream both ways, turn by turn', async () => {
    const call = client.makeBidiStreamRequest('/test.Echo/Chat', same, same);
    const heard: string[] = [];
    const end = new Promise((resolve, reject) => {
      call.on('error', reject);
      call.on('status', (status) => resolve(status.code));
    });
    call.on('data', (bytes: Buffer) => {
      heard.push(bytes.toString());
      if (heard.length < 50) call.write(Buffer.from(String(heard.length)));
      else call.end();
    });
    call.write(Buffer.from('0'));
    expect(await end).toBe(Status.OK);
    expect(heard).toEqual(Array.from({ length: 50 }, (_, i) => `you said ${i}`));
  });
});

it('gRPC to nobody is unavailable, as a status and not as an error of HTTP', async () => {
  const proxy = await CodecProxy.start({ upstreamPorts: [await unusedPort()], cluster: http2Cluster() });
  const client = new Client(`127.0.0.1:${proxy.port}`, credentials.createInsecure());
  try {
    const error = await new Promise<ServiceError | null>((resolve) => {
      client.makeUnaryRequest('/test.Echo/Unary', same, same, Buffer.alloc(0), resolve);
    });
    expect(error?.code).toBe(Status.UNAVAILABLE);
    expect(error?.metadata.get('content-type')).toEqual(['application/grpc']);
  } finally {
    client.close();
    await proxy.close();
  }
});

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { maxBodyBytes } from '../../../pilot/rest/body.ts';
import { service, startApi, type TestApi, virtualService } from './support.ts';

/** Sends raw bytes and reads until the server closes. */
async function raw(port: number, ...parts: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  for (const part of parts) socket.write(part);
  return await readAll(socket);
}

async function readAll(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await closed(socket);
  return text;
}

/** However it was closed: a server that has refused a request resets what it does not read any more. */
function closed(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

describe('discovery', () => {
  let api: TestApi;
  beforeEach(async () => {
    api = await startApi({
      version: '1.2.3',
      routes: [{ method: 'GET', pattern: '/debug/syncz', handle: () => ({ body: [{ proxy: 'a' }] }) }],
    });
  });
  afterEach(() => api.close());

  it('says that it is healthy and what it is', async () => {
    expect((await api.call('GET', '/healthz')).text).toBe('ok');
    expect((await api.call('GET', '/version')).body).toMatchObject({ major: '1', minor: '2', gitVersion: 'v1.2.3' });
  });

  it('lists groups and versions', async () => {
    expect((await api.call('GET', '/api')).body).toMatchObject({ kind: 'APIVersions', versions: ['v1'] });
    expect((await api.call('GET', '/apis')).body).toMatchObject({
      kind: 'APIGroupList',
      groups: [
        { name: 'networking.istio.io', preferredVersion: { groupVersion: 'networking.istio.io/v1', version: 'v1' } },
        { name: 'networking.heddle.dev' },
        { name: 'telemetry.istio.io', preferredVersion: { groupVersion: 'telemetry.istio.io/v1', version: 'v1' } },
      ],
    });
    const { body } = await api.call('GET', '/apis/networking.istio.io');
    expect((body as { versions: { version: string }[] }).versions.map(({ version }) => version)).toEqual([
      'v1',
      'v1beta1',
      'v1alpha3',
    ]);
  });

  it.each(['v1', 'v1beta1', 'v1alpha3'])('lists the resources of networking.istio.io/%s', async (version) => {
    const { body } = await api.call('GET', `/apis/networking.istio.io/${version}`);
    const { resources, ...rest } = body as { resources: { name: string; shortNames: string[] }[] };
    expect(rest).toEqual({ kind: 'APIResourceList', apiVersion: 'v1', groupVersion: `networking.istio.io/${version}` });
    expect(resources.map(({ name }) => name).filter((name) => !name.includes('/'))).toEqual([
      'virtualservices',
      'destinationrules',
      'serviceentries',
      'gateways',
      'sidecars',
      'workloadentries',
    ]);
    expect(resources[0]).toEqual({
      name: 'virtualservices',
      singularName: 'virtualservice',
      namespaced: true,
      kind: 'VirtualService',
      verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
      shortNames: ['vs'],
    });
    expect(resources[1]).toMatchObject({ name: 'virtualservices/status', verbs: ['get', 'patch', 'update'] });
  });

  it('lists the core resources', async () => {
    expect((await api.call('GET', '/api/v1')).body).toMatchObject({
      groupVersion: 'v1',
      resources: [
        { name: 'services', kind: 'Service' },
        { name: 'services/status', kind: 'Service' },
        { name: 'events', kind: 'Event' },
      ],
    });
  });

  it.each(['/apis/example.com', '/apis/networking.istio.io/v9', '/api/v2'])('knows no %s', async (path) => {
    expect((await api.call('GET', path)).status).toBe(404);
  });

  it('tells kubectl in OpenAPI v3 that it checks fields, and what they mean', async () => {
    const root = (await api.call('GET', '/openapi/v3')).body as {
      paths: Record<string, { serverRelativeURL: string }>;
    };
    expect(Object.keys(root.paths)).toContain('api/v1');
    const { serverRelativeURL = '' } = root.paths['apis/networking.heddle.dev/v1alpha1'] ?? {};
    const { body } = await api.call('GET', serverRelativeURL);
    const path = '/apis/networking.heddle.dev/v1alpha1/namespaces/{namespace}/canaries/{name}';
    expect(body).toMatchObject({
      paths: {
        [path]: {
          patch: { parameters: expect.arrayContaining([expect.objectContaining({ name: 'fieldValidation' })]) },
        },
      },
      components: {
        schemas: {
          'networking.heddle.dev.v1alpha1.Canary': {
            properties: { spec: { properties: { host: { type: 'string' } } } },
            'x-kubernetes-group-version-kind': [
              { group: 'networking.heddle.dev', version: 'v1alpha1', kind: 'Canary' },
            ],
          },
        },
      },
    });
    expect((await api.call('GET', '/openapi/v3/apis/example.com/v1')).status).toBe(404);
  });

  it('serves further pages that it was given', async () => {
    expect((await api.call('GET', '/debug/syncz')).body).toEqual([{ proxy: 'a' }]);
    expect((await api.call('POST', '/debug/syncz', {})).status).toBe(405);
  });
});

describe('a request that is wrong in form', () => {
  let api: TestApi;
  beforeEach(async () => {
    api = await startApi();
    return async () => {
      expect((await api.call('GET', '/healthz')).text).toBe('ok');
      await api.close();
    };
  });

  it('is refused when it is too large, whether it says so or not', async () => {
    const large = `["${'x'.repeat(maxBodyBytes)}"]`;
    const declared = await api.call('POST', '/apply', large);
    expect([declared.status, (declared.body as { message: string }).message]).toEqual([
      413,
      `a request may have at most ${maxBodyBytes} bytes`,
    ]);
    const head =
      'POST /apply HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n';
    const chunked = await raw(api.server.port, head, `${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`);
    expect(chunked).toContain('HTTP/1.1 413');
  });

  it('is refused when its type is not JSON: a web page could send that', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', '']) {
      const { status, body } = await api.call('POST', '/apply', '[]', { 'content-type': type });
      expect([status, (body as { reason: string }).reason]).toEqual([415, 'UnsupportedMediaType']);
    }
    expect((await api.call('POST', '/apply', '[]', { 'content-type': 'Application/JSON; charset=utf-8' })).status).toBe(
      200,
    );
  });

  it('is refused when it is not UTF-8', async () => {
    const head =
      'POST /apply HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 4\r\n\r\n';
    const socket = connect(api.server.port, '127.0.0.1');
    socket.write(head);
    socket.write(Buffer.from([0x22, 0xff, 0xfe, 0x22]));
    expect(await readAll(socket)).toContain('the body is not valid UTF-8');
  });

  it.each([
    ['no HTTP at all', 'hello\r\n\r\n'],
    ['a header without a colon', 'GET / HTTP/1.1\r\nhost: a\r\nwrong\r\n\r\n'],
    ['two lengths', 'POST /apply HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n'],
    ['a head of 64 KiB', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(65_536)}\r\n\r\n`],
  ])('is answered with 400 and closed: %s', async (_name, bytes) => {
    const answer = await raw(api.server.port, bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"reason":"BadRequest"');
  });

  it.each([
    ['head', 'GET /healthz HTTP/1.1\r\nhost: a\r\n'],
    ['body', 'POST /apply HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n[{'],
  ])('is given up when its %s does not arrive', async (_name, bytes) => {
    // On a busy machine whole requests take that long too: nothing else is asked of this server.
    const impatient = await startApi({ requestTimeoutMs: 300 });
    const answer = await raw(impatient.server.port, bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer).toContain('the request did not arrive in time');
    await impatient.close();
  });

  it('harms nobody when the client goes away at any byte', async () => {
    const body = JSON.stringify([service('a')]);
    const request = `POST /apply HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    for (let size = 0; size < request.length; size += 5) {
      const socket = connect(api.server.port, '127.0.0.1');
      const isClosed = closed(socket);
      await once(socket, 'connect');
      socket.write(request.slice(0, size), () => socket.resetAndDestroy());
      await isClosed;
    }
    expect(api.store.list()).toEqual([]);
  });
});

describe('the life of the server', () => {
  it('starts, drains and closes any number of times', async () => {
    const api = await startApi();
    await api.server.start();
    await api.call('POST', '/apply', [virtualService('a')]);
    await api.server.drain(1000);
    await api.server.drain(1000);
    await api.server.close();
    await expect(api.call('GET', '/healthz')).rejects.toThrow();
    await api.server.start();
    expect((await api.call('GET', '/healthz')).text).toBe('ok');
    await api.close();
  });

  it('rejects start when the port is taken', async () => {
    const api = await startApi();
    await expect(startApi({ port: api.server.port })).rejects.toThrow('EADDRINUSE');
    await api.close();
  });

  it('finishes the requests under way when it drains, and cuts them off at the deadline', async () => {
    let finish = (): void => {};
    const started = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const slow = new Promise<{ body: string }>((resolve) => setTimeout(() => resolve({ body: 'done' }), 100));
    const routes = [
      { method: 'GET', pattern: '/slow', handle: () => (finish(), slow) },
      { method: 'GET', pattern: '/never', handle: () => new Promise<never>(() => {}) },
    ] as const;
    const api = await startApi({ routes });
    const answer = api.call('GET', '/slow');
    const never = api.call('GET', '/never').catch((error: unknown) => error);
    await started;
    await api.server.drain(300);
    expect((await answer).text).toBe('done');
    expect(await never).toBeInstanceOf(Error);
    await api.close();
  });
});

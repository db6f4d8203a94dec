import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { networking, service, startApi, type TestApi, virtualService } from './support.ts';

describe('single resources', () => {
  let api: TestApi;
  const path = `${networking}/virtualservices`;

  beforeEach(async () => {
    api = await startApi();
  });
  afterEach(() => api.close());

  it('are created, read, replaced and deleted', async () => {
    const created = await api.call('POST', path, virtualService('reviews'));
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({
      metadata: { name: 'reviews', namespace: 'default', resourceVersion: '1', generation: 1 },
    });
    expect((await api.call('GET', `${path}/reviews`)).body).toEqual(created.body);
    const replaced = await api.call('PUT', `${path}/reviews`, virtualService('reviews', { hosts: ['ratings'] }));
    expect(replaced.status).toBe(200);
    expect(replaced.body).toMatchObject({
      spec: { hosts: ['ratings'] },
      metadata: { resourceVersion: '2', generation: 2 },
    });
    const deleted = await api.call('DELETE', `${path}/reviews`);
    const { uid } = (created.body as { metadata: { uid: string } }).metadata;
    expect(deleted.body).toEqual({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: { name: 'reviews', group: 'networking.istio.io', kind: 'virtualservices', uid },
      code: 200,
    });
    expect((await api.call('GET', `${path}/reviews`)).status).toBe(404);
  });

  it('are answered in the version that was asked for', async () => {
    const old = '/apis/networking.istio.io/v1alpha3/namespaces/default/virtualservices';
    const created = await api.call('POST', old, {
      ...virtualService('reviews'),
      apiVersion: 'networking.istio.io/v1alpha3',
    });
    expect(created.body).toMatchObject({ apiVersion: 'networking.istio.io/v1alpha3' });
    expect((await api.call('GET', `${path}/reviews`)).body).toMatchObject({ apiVersion: 'networking.istio.io/v1' });
    expect((await api.call('GET', old)).body).toMatchObject({
      items: [{ apiVersion: 'networking.istio.io/v1alpha3' }],
    });
  });

  it('are listed by namespace and over all of them, with the revision', async () => {
    await api.call('POST', path, virtualService('a'));
    await api.call('POST', path.replace('default', 'shop'), virtualService('b'));
    await api.call('POST', '/api/v1/namespaces/default/services', service('c'));
    const names = async (at: string): Promise<unknown> => {
      const { body } = await api.call('GET', at);
      const list = body as { kind: string; metadata: unknown; items: { metadata: { name: string } }[] };
      expect(list.metadata).toEqual({ resourceVersion: '3' });
      return [list.kind, ...list.items.map(({ metadata }) => metadata.name)];
    };
    expect(await names(path)).toEqual(['VirtualServiceList', 'a']);
    expect(await names('/apis/networking.istio.io/v1/virtualservices')).toEqual(['VirtualServiceList', 'a', 'b']);
    expect(await names('/api/v1/services')).toEqual(['ServiceList', 'c']);
    expect(await names('/api/v1/namespaces/nowhere/services')).toEqual(['ServiceList']);
  });

  it('are not created twice', async () => {
    await api.call('POST', path, virtualService('reviews'));
    const { status, body } = await api.call('POST', path, virtualService('reviews'));
    expect(status).toBe(409);
    expect(body).toMatchObject({
      reason: 'AlreadyExists',
      message: 'virtualservices.networking.istio.io "reviews" already exists',
    });
  });

  it('are created by one of many at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => api.call('POST', path, virtualService('reviews'))),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, ...Array<number>(9).fill(409)]);
  });

  it('are not replaced when somebody else was faster', async () => {
    await api.call('POST', path, virtualService('reviews'));
    await api.call('PUT', `${path}/reviews`, virtualService('reviews', { hosts: ['a'] }, { resourceVersion: '1' }));
    const late = await api.call(
      'PUT',
      `${path}/reviews`,
      virtualService('reviews', { hosts: ['b'] }, { resourceVersion: '1' }),
    );
    expect(late.status).toBe(409);
    expect(late.body).toMatchObject({
      reason: 'Conflict',
      message: 'VirtualService default/reviews is at resourceVersion 2 now, not 1: read it again and repeat the change',
    });
    expect((await api.call('GET', `${path}/reviews`)).body).toMatchObject({ spec: { hosts: ['a'] } });
  });

  it('are not deleted in another version or life than expected', async () => {
    await api.call('POST', path, virtualService('reviews'));
    const by = (preconditions: object): Promise<{ status: number }> =>
      api.call('DELETE', `${path}/reviews`, { preconditions });
    expect((await by({ resourceVersion: '7' })).status).toBe(409);
    expect((await by({ uid: 'other' })).status).toBe(409);
    expect((await by({ resourceVersion: '1' })).status).toBe(200);
  });

  it('stay as they are on a dry run', async () => {
    expect((await api.call('POST', `${path}?dryRun=All`, virtualService('a'))).status).toBe(201);
    await api.call('POST', path, virtualService('b'));
    const { body } = await api.call('PUT', `${path}/b?dryRun=All`, virtualService('b', { hosts: ['c'] }));
    expect(body).toMatchObject({ spec: { hosts: ['c'] } });
    expect((await api.call('DELETE', `${path}/b?dryRun=All`)).status).toBe(200);
    expect(api.store.list().map(({ spec }) => (spec as { hosts: unknown }).hosts)).toEqual([['b']]);
    expect((await api.call('POST', `${path}?dryRun=Some`, virtualService('d'))).status).toBe(400);
  });

  it('are refused with 400 when they have unknown fields, as strict decoding does', async () => {
    const { status, body } = await api.call('POST', path, virtualService('reviews', { htp: [] }));
    expect(status).toBe(400);
    expect(body).toMatchObject({
      kind: 'Status',
      status: 'Failure',
      reason: 'BadRequest',
      message: 'strict decoding error: unknown field "spec.htp" (did you mean "http"?)',
      code: 400,
    });
    expect(api.store.list()).toEqual([]);
  });

  it('are refused with 422 and a cause for each wrong field', async () => {
    const http = [
      { route: [{ destination: { host: 'a', port: { number: 70_000 } }, weight: -1 }], retries: { attempts: 1 } },
    ];
    const { status, body } = await api.call('POST', path, virtualService('reviews', { http }));
    expect(status).toBe(422);
    expect(body).toMatchObject({
      reason: 'Invalid',
      details: {
        name: 'reviews',
        group: 'networking.istio.io',
        kind: 'virtualservices',
        causes: [
          {
            reason: 'FieldValueInvalid',
            field: 'spec.http[0].route[0].destination.port.number',
            message: 'must be <= 65535, got 70000',
          },
          { reason: 'FieldValueInvalid', field: 'spec.http[0].route[0].weight', message: 'must be >= 0, got -1' },
        ],
      },
    });
  });

  it('are refused when they are valid but would be ignored', async () => {
    const tcp = [{ match: [{ sourceSubnet: '10.0.0.0/8' }], route: [{ destination: { host: 'a' } }] }];
    const { status, body } = await api.call('POST', path, virtualService('reviews', { tcp }));
    expect(status).toBe(422);
    expect(body).toMatchObject({
      details: { causes: [{ field: 'spec.tcp[0].match[0].sourceSubnet', message: 'is not supported yet' }] },
    });
  });

  it('come with warnings in headers, in ASCII', async () => {
    const { headers } = await api.call('POST', path, virtualService('reviews'));
    expect(headers['warning']).toBe(
      '299 - "spec.http[0].route[0].destination.host: no service \\"reviews\\" is known yet"',
    );
  });

  it.each([
    ['another apiVersion', { apiVersion: 'v1' }, 'apiVersion must be networking.istio.io/v1 as in the path, got "v1"'],
    ['another kind', { kind: 'Service' }, 'kind must be VirtualService as in the path, got "Service"'],
    [
      'another namespace',
      { metadata: { name: 'reviews', namespace: 'b' } },
      'metadata.namespace must be default as in the path, got "b"',
    ],
    ['another name', { metadata: { name: 'b' } }, 'metadata.name must be reviews as in the path, got "b"'],
    ['no metadata', { metadata: undefined }, 'metadata.name must be reviews as in the path, got nothing'],
  ])('must be what the path says: %s', async (_name, change, message) => {
    const { status, body } = await api.call('PUT', `${path}/reviews`, { ...virtualService('reviews'), ...change });
    expect(status).toBe(400);
    expect(body).toMatchObject({ message });
  });

  it.each([
    ['PUT', `${path}/ghost`, virtualService('ghost'), 404, 'virtualservices.networking.istio.io "ghost" not found'],
    ['DELETE', `${path}/ghost`, undefined, 404, 'virtualservices.networking.istio.io "ghost" not found'],
    ['GET', '/api/v1/namespaces/default/services/ghost', undefined, 404, 'services "ghost" not found'],
    [
      'GET',
      `${networking}/proxyconfigs`,
      undefined,
      404,
      'the server has no resource proxyconfigs in networking.istio.io/v1',
    ],
    [
      'GET',
      '/apis/networking.istio.io/v2/virtualservices',
      undefined,
      404,
      'the server has no resource virtualservices in networking.istio.io/v2',
    ],
    ['GET', '/nothing', undefined, 404, 'the server has no resource at /nothing'],
    ['POST', `${path}/reviews`, {}, 405, `POST is not supported at ${path}/reviews, only GET, PUT, PATCH, DELETE`],
    ['DELETE', path, undefined, 405, `DELETE is not supported at ${path}, only GET, POST`],
    ['GET', `${path}/reviews?watch=true`, undefined, 400, 'query parameter watch is not supported yet'],
    [
      'GET',
      `${path}?fieldSelector=spec.host%3Dx`,
      undefined,
      400,
      'fieldSelector: spec.host is not supported, only metadata.name and metadata.namespace',
    ],
    ['GET', `${path}?labelSelector=a%3D%3D%3Db`, undefined, 400, 'labelSelector: "a===b" is no requirement'],
    ['GET', `${path}?continue=x`, undefined, 400, 'query parameter continue is not supported yet'],
    ['GET', '/api/v1/namespaces/%/services', undefined, 400, 'the path holds a broken escape: %'],
    ['POST', path, undefined, 400, 'expected a VirtualService, got an empty body'],
    ['POST', path, 'null', 400, 'apiVersion must be networking.istio.io/v1 as in the path, got nothing'],
  ] as const)('%s %s is refused', async (...[method, at, input, status, message]) => {
    const answer = await api.call(method, at, input);
    expect([answer.status, (answer.body as { message: string }).message]).toEqual([status, message]);
  });
});

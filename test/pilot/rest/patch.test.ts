import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mergePatch, strategicMergePatch } from '../../../pilot/rest/merge-patch.ts';
import { type Answer, networking, service, startApi, type TestApi, virtualService } from './support.ts';

const merge = { 'content-type': 'application/merge-patch+json' };
const strategic = { 'content-type': 'application/strategic-merge-patch+json' };

/** RFC 7396, appendix A. */
it.each([
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
])('%j with the merge patch %j is %j', (target, patch, expected) => {
  expect(mergePatch(target, patch)).toEqual(expected);
});

it('a strategic patch merges the ports of a Service by their number', () => {
  const before = { ports: [{ port: 80, name: 'http' }, { port: 81 }, { port: 82 }] };
  const patch = {
    '$setElementOrder/ports': [{ port: 80 }, { port: 90 }],
    ports: [{ port: 80, name: null, appProtocol: 'http' }, { port: 90 }, { $patch: 'delete', port: 81 }],
  };
  const after = { ports: [{ port: 80, appProtocol: 'http' }, { port: 82 }, { port: 90 }] };
  expect(strategicMergePatch(before, patch, { ports: 'port' })).toEqual(after);
  expect(() => strategicMergePatch(before, { $retainKeys: [] }, {})).toThrow('$retainKeys');
  expect(() => strategicMergePatch(before, { ports: [{ $patch: 'replace' }] }, { ports: 'port' })).toThrow('delete');
});

describe('PATCH', () => {
  let api: TestApi;
  const path = `${networking}/virtualservices/reviews`;
  const services = '/api/v1/namespaces/default/services';
  const canaries = '/apis/networking.heddle.dev/v1alpha1/namespaces/default/canaries';

  beforeEach(async () => {
    api = await startApi();
    await api.call('POST', `${networking}/virtualservices`, virtualService('reviews', {}, { labels: { a: '1' } }));
  });
  afterEach(() => api.close());

  const patch = (body: unknown, at = path, headers: Record<string, string> = merge): Promise<Answer> =>
    api.call('PATCH', at, body, headers);

  it('changes what it names, and the rest stays', async () => {
    const { status, body } = await patch({ spec: { hosts: ['x'] }, metadata: { labels: { b: '2' } } });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      metadata: { labels: { a: '1', b: '2' }, generation: 2, resourceVersion: '2' },
      spec: { hosts: ['x'], http: [{}] },
    });
    const removed = await patch({ metadata: { labels: { a: null } } });
    expect(removed.body).toMatchObject({ metadata: { labels: { b: '2' }, generation: 2 } });
  });

  it('is judged like any other write', async () => {
    expect((await patch({ spec: { hots: ['x'] } })).status).toBe(400);
    expect((await patch({ spec: { hosts: ['-'] } })).status).toBe(422);
    expect((await patch({ metadata: { name: 'other' } })).status).toBe(400);
    expect((await patch({ spec: { hosts: ['x'] } }, `${path}?dryRun=All`)).body).toMatchObject({
      spec: { hosts: ['x'] },
    });
    expect(api.store.revision).toBe(1);
  });

  it.each([
    [{}, 'application/json', 415],
    [{}, 'application/json-patch+json', 415],
    [{}, 'application/apply-patch+yaml', 415],
    [{}, strategic['content-type'], 415],
    [[], merge['content-type'], 400],
    ['"text"', merge['content-type'], 400],
    ['{"spec":{"__proto__":{"a":1}}}', merge['content-type'], 400],
  ])('of %j as %s is refused with %i', async (body, type, status) => {
    expect((await patch(body, path, { 'content-type': type })).status).toBe(status);
  });

  it('of what is not there is not found', async () => {
    expect((await patch({}, `${networking}/virtualservices/nobody`)).status).toBe(404);
  });

  it('keeps to the version that it names, and is tried again when it names none', async () => {
    expect((await patch({ metadata: { resourceVersion: '7' }, spec: { hosts: ['x'] } })).status).toBe(409);
    const labels = ['a', 'b', 'c', 'd', 'e'];
    const answers = await Promise.all(labels.map((label) => patch({ metadata: { labels: { [label]: 'x' } } })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect((await api.call('GET', path)).body).toMatchObject({
      metadata: { labels: Object.fromEntries(labels.map((label) => [label, 'x'])) },
    });
  });

  it('of a Service may be strategic, as kubectl sends it', async () => {
    await api.call('POST', services, service('a'));
    const body = { spec: { '$setElementOrder/ports': [], ports: [{ port: 81 }, { $patch: 'delete', port: 80 }] } };
    expect((await patch(body, `${services}/a`, strategic)).body).toMatchObject({ spec: { ports: [{ port: 81 }] } });
  });

  it('of a status leaves all else alone', async () => {
    const spec = { host: 'reviews', subsets: { primary: 'v1', canary: 'v2' } };
    const canary = {
      apiVersion: 'networking.heddle.dev/v1alpha1',
      kind: 'Canary',
      metadata: { name: 'reviews' },
      spec,
    };
    await api.call('POST', canaries, canary);
    const at = `${canaries}/reviews/status`;
    await patch({ status: { phase: 'Progressing', step: 1 } }, at);
    const { body } = await patch({ status: { step: null, canaryWeight: 5 }, spec: { paused: true } }, at);
    expect(body).toMatchObject({
      spec,
      status: { phase: 'Progressing', canaryWeight: 5 },
      metadata: { generation: 1 },
    });
    expect(body).not.toHaveProperty('status.step');
    expect((await patch({ metadata: { resourceVersion: '1' }, status: {} }, at)).status).toBe(409);
    expect((await patch({ status: null }, at)).status).toBe(400);
    expect((await patch({ status: { text: 'x'.repeat(300_000) } }, at)).status).toBe(413);
  });
});

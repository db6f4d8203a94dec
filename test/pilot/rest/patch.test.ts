import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { jsonPatch } from '../../../pilot/rest/json-patch.ts';
import { mergePatch, strategicMergePatch } from '../../../pilot/rest/merge-patch.ts';
import { type Answer, networking, service, startApi, type TestApi, virtualService } from './support.ts';

const merge = { 'content-type': 'application/merge-patch+json' };
const json = { 'content-type': 'application/json-patch+json' };
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

/** RFC 6902, appendix A. */
describe('a JSON patch', () => {
  type Row = readonly [what: string, target: unknown, patch: readonly object[], expected: unknown];
  const rows: readonly Row[] = [
    ['adds a member', { foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux' }], { foo: 'bar', baz: 'qux' }],
    ['adds an item', { foo: ['a', 'c'] }, [{ op: 'add', path: '/foo/1', value: 'b' }], { foo: ['a', 'b', 'c'] }],
    ['removes a member', { a: 1, b: 2 }, [{ op: 'remove', path: '/a' }], { b: 2 }],
    ['removes an item', { foo: ['a', 'b'] }, [{ op: 'remove', path: '/foo/0' }], { foo: ['b'] }],
    ['replaces', { a: 1, b: 2 }, [{ op: 'replace', path: '/a', value: [3] }], { a: [3], b: 2 }],
    ['replaces all', { a: 1 }, [{ op: 'replace', path: '', value: { b: 2 } }], { b: 2 }],
    ['moves', { a: { b: 1 }, c: {} }, [{ op: 'move', from: '/a/b', path: '/c/d' }], { a: {}, c: { d: 1 } }],
    ['moves items', { l: ['a', 'b', 'c'] }, [{ op: 'move', from: '/l/0', path: '/l/2' }], { l: ['b', 'c', 'a'] }],
    ['copies', { a: { b: 1 } }, [{ op: 'copy', from: '/a', path: '/c' }], { a: { b: 1 }, c: { b: 1 } }],
    ['tests', { a: [{ x: 1, y: 2 }] }, [{ op: 'test', path: '/a/0', value: { y: 2, x: 1 } }], { a: [{ x: 1, y: 2 }] }],
    ['adds null', {}, [{ op: 'add', path: '/a', value: null }], { a: null }],
    [
      'reads ~0 and ~1',
      { 'a/b': 1, 'm~n': 2 },
      [
        { op: 'replace', path: '/a~1b', value: 3 },
        { op: 'remove', path: '/m~0n' },
      ],
      { 'a/b': 3 },
    ],
    ['replaces what it adds', { a: 1 }, [{ op: 'add', path: '/a', value: 2 }], { a: 2 }],
    ['appends', { a: [1] }, [{ op: 'add', path: '/a/-', value: [2] }], { a: [1, [2]] }],
    ['ignores what it does not know', {}, [{ op: 'add', path: '/a', value: 1, xyz: 2 }], { a: 1 }],
  ];
  it.each(rows)('%s', (_, target, operations, expected) => {
    const before = structuredClone(target);
    expect(jsonPatch(target, operations)).toEqual(expected);
    expect(target).toEqual(before);
  });

  it.each([
    ['there is no b', { op: 'add', path: '/a/b/c', value: 1 }],
    ['there is nothing at /b', { op: 'remove', path: '/b' }],
    ['there is nothing at /b', { op: 'replace', path: '/b', value: 1 }],
    ['is no place in the list', { op: 'add', path: '/l/2', value: 1 }],
    ['is no place in the list', { op: 'remove', path: '/l/-' }],
    ['is no place in the list', { op: 'replace', path: '/l/01', value: 1 }],
    ['is not what test expects', { op: 'test', path: '/l', value: ['1'] }],
    ['is no JSON pointer', { op: 'remove', path: 'a' }],
    ['is no JSON pointer', { op: 'remove', path: '/a~2' }],
    ['cannot move into itself', { op: 'move', from: '/a', path: '/a/b' }],
    ['must have a value', { op: 'add', path: '/c' }],
    ['must have from', { op: 'copy', path: '/c' }],
    ['is not known', { op: 'spread', path: '/c' }],
    ['must have op and path', { op: 'remove' }],
    ['must have op and path', 7],
    ['is within no object', { op: 'add', path: '/l/0/x', value: 1 }],
  ])('is refused: %s, %j', (message, operation) => {
    expect(() => jsonPatch({ a: {}, l: [1] }, [operation])).toThrow(message);
  });

  it('of copies of copies ends before the memory does', () => {
    const doubling = Array.from({ length: 60 }, () => ({ op: 'copy', from: '/a', path: '/a/-' }));
    expect(() => jsonPatch({ a: ['0123456789'] }, doubling)).toThrow('copies too much');
    expect(() =>
      jsonPatch(
        {},
        Array.from({ length: 10_001 }, () => ({ op: 'test', path: '', value: {} })),
      ),
    ).toThrow('at most 10000');
  });
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
    [{}, json['content-type'], 400],
    [[{ op: 'test', path: '/spec/hosts/0', value: 'nobody' }], json['content-type'], 422],
    [[{ op: 'add', path: '/metadata/__proto__', value: {} }], json['content-type'], 422],
    [{}, 'application/apply-patch+yaml', 415],
    [{}, strategic['content-type'], 415],
    [[], merge['content-type'], 400],
    ['"text"', merge['content-type'], 400],
    ['{"spec":{"__proto__":{"a":1}}}', merge['content-type'], 400],
  ])('of %j as %s is refused with %i', async (body, type, status) => {
    expect((await patch(body, path, { 'content-type': type })).status).toBe(status);
  });

  it('may be a list of operations: all of them, or none', async () => {
    const operations = [
      { op: 'test', path: '/metadata/labels/a', value: '1' },
      { op: 'replace', path: '/spec/hosts/0', value: 'x' },
      { op: 'add', path: '/spec/hosts/-', value: 'y' },
      { op: 'move', from: '/metadata/labels/a', path: '/metadata/labels/b' },
    ];
    const { status, body } = await patch(operations, path, json);
    expect(status).toBe(200);
    expect(body).toMatchObject({ metadata: { labels: { b: '1' }, generation: 2 }, spec: { hosts: ['x', 'y'] } });
    const half = [
      { op: 'add', path: '/spec/hosts/-', value: 'z' },
      { op: 'remove', path: '/spec/nothing' },
    ];
    const refused = await patch(half, path, json);
    expect([refused.status, refused.text]).toEqual([422, expect.stringContaining('there is nothing at /spec/nothing')]);
    expect(api.store.list('VirtualService')[0]?.spec).toMatchObject({ hosts: ['x', 'y'] });
  });

  it('of a status may be one too, and leaves the rest alone', async () => {
    const canary = { host: 'reviews', subsets: { primary: 'v1', canary: 'v2' } };
    const apiVersion = 'networking.heddle.dev/v1alpha1';
    await api.call('POST', canaries, { apiVersion, kind: 'Canary', metadata: { name: 'r' }, spec: canary });
    const operations = [
      { op: 'add', path: '/status/phase', value: 'Waiting' },
      { op: 'add', path: '/spec/paused', value: true },
    ];
    const { body } = await patch(operations, `${canaries}/r/status`, json);
    expect(body).toMatchObject({ status: { phase: 'Waiting' }, spec: canary });
    expect((body as { spec: object }).spec).not.toHaveProperty('paused');
    expect((await patch([{ op: 'remove', path: '/status' }], `${canaries}/r/status`, json)).status).toBe(400);
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

import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ManualClock } from '../../support/manual-clock.ts';
import { networking, service, startApi, type TestApi, virtualService } from './support.ts';

const path = `${networking}/virtualservices`;
const everywhere = '/apis/networking.istio.io/v1/virtualservices';

interface Event {
  readonly type: string;
  readonly object: { readonly kind: string; readonly apiVersion: string; readonly metadata: Record<string, string> };
}

describe('a watch', () => {
  let api: TestApi;
  const clock = new ManualClock();

  beforeEach(async () => {
    api = await startApi({ clock });
  });
  afterEach(() => api.close());

  async function open(at: string, headers = {}): Promise<{ response: IncomingMessage; events: Event[] }> {
    const request = get(`http://127.0.0.1:${api.server.port}${at}`, { headers });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const events: Event[] = [];
    createInterface({ input: response }).on('line', (line) => events.push(JSON.parse(line) as Event));
    return { response, events };
  }

  const told = (events: readonly Event[]): string[] =>
    events.map(({ type, object: { metadata } }) => `${type} ${metadata['name'] ?? ''}`);
  const until = (events: readonly Event[], expected: readonly string[]): Promise<void> =>
    vi.waitFor(() => expect(told(events)).toEqual(expected));

  it('begins with all that is there, and goes on with what changes', async () => {
    await api.call('POST', path, virtualService('a'));
    const { response, events } = await open(`${everywhere}?watch=true`);
    expect(response.headers['content-type']).toBe('application/json');
    await until(events, ['ADDED a']);
    await api.call('POST', path, virtualService('b'));
    await api.call('PUT', `${path}/a`, virtualService('a', { hosts: ['x'] }));
    await api.call('DELETE', `${path}/b`);
    await until(events, ['ADDED a', 'ADDED b', 'MODIFIED a', 'DELETED b']);
    expect(events.map(({ object }) => object.metadata['resourceVersion'])).toEqual(['1', '2', '3', '4']);
  });

  it('goes on from the version of a list, without a gap', async () => {
    await api.call('POST', path, virtualService('a'));
    const { metadata } = (await api.call('GET', path)).body as { metadata: { resourceVersion: string } };
    await api.call('POST', path, virtualService('b'));
    const { events } = await open(`${path}?watch=1&resourceVersion=${metadata.resourceVersion}`);
    await api.call('POST', path, virtualService('c'));
    await until(events, ['ADDED b', 'ADDED c']);
  });

  it('hears of its kind, its namespace and its name only', async () => {
    const one = await open(`${path}?watch=true&fieldSelector=metadata.name%3Da`);
    const others = await open(`${path}?watch=true&fieldSelector=metadata.name!%3Da`);
    await api.call('POST', path.replace('default', 'shop'), virtualService('a'));
    await api.call('POST', '/api/v1/namespaces/default/services', service('a'));
    await api.call('POST', path, virtualService('b'));
    await api.call('POST', path, virtualService('a'));
    await until(one.events, ['ADDED a']);
    await until(others.events, ['ADDED b']);
    expect(one.events[0]?.object).toMatchObject({ metadata: { namespace: 'default' }, kind: 'VirtualService' });
  });

  it('hears of what begins and ends to have the labels that it asked for', async () => {
    const labelled = (name: string, labels: object): object => virtualService(name, {}, { labels });
    await api.call('POST', path, labelled('a', { app: 'web' }));
    await api.call('POST', path, labelled('b', { app: 'db' }));
    const { events } = await open(`${path}?watch=true&labelSelector=app%3Dweb`);
    await until(events, ['ADDED a']);
    await api.call('PUT', `${path}/b`, labelled('b', { app: 'web' }));
    await api.call('PUT', `${path}/a`, labelled('a', { app: 'web', tier: '1' }));
    await api.call('PUT', `${path}/a`, labelled('a', { app: 'db' }));
    await api.call('PUT', `${path}/a`, labelled('a', { app: 'cache' }));
    await api.call('DELETE', `${path}/b`);
    const expected = ['ADDED a', 'ADDED b', 'MODIFIED a', 'DELETED a', 'DELETED b'];
    await until(events, expected);
    const again = await open(`${path}?watch=true&labelSelector=app%3Dweb&resourceVersion=2`);
    await until(again.events, expected.slice(1));
  });

  it('is answered in the version that was asked for, and with rows for kubectl', async () => {
    const old = await open(`${everywhere.replace('v1', 'v1beta1')}?watch=true`);
    const rows = await open(`${path}?watch=true`, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
    await api.call('POST', path, virtualService('a'));
    await vi.waitFor(() => expect(old.events[0]?.object.apiVersion).toBe('networking.istio.io/v1beta1'));
    await vi.waitFor(() =>
      expect(rows.events[0]?.object).toMatchObject({
        kind: 'Table',
        rows: [{ cells: ['a', '<none>', '["a"]', '0s'] }],
      }),
    );
  });

  it('ends when its time is up, with the version up to which all was told', async () => {
    const { response, events } = await open(`${path}?watch=true&timeoutSeconds=60&allowWatchBookmarks=true`);
    await api.call('POST', '/api/v1/namespaces/default/services', service('a'));
    const ended = once(response, 'end');
    clock.advance(59_999);
    expect(response.readableEnded).toBe(false);
    clock.advance(1);
    await ended;
    expect(events).toMatchObject([
      { type: 'BOOKMARK', object: { kind: 'VirtualService', metadata: { resourceVersion: '1' } } },
    ]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('of a version that is no longer known, or never was, is answered 410', async () => {
    await api.call('POST', path, virtualService('a'));
    expect((await api.call('GET', `${path}?watch=true&resourceVersion=99`)).body).toMatchObject({
      code: 410,
      reason: 'Expired',
    });
    for (let i = 0; i < 1_025; i += 1)
      await api.store.commit([
        {
          op: 'put',
          resource: { apiVersion: 'v1', kind: 'Service', metadata: { name: 'x', namespace: 'default' }, spec: { i } },
        },
      ]);
    expect((await api.call('GET', `${path}?watch=true&resourceVersion=1`)).status).toBe(410);
  });

  it.each([
    ['resourceVersion=abc', 400],
    ['timeoutSeconds=0', 400],
    ['timeoutSeconds=-1', 400],
    ['fieldSelector=spec.hosts%3Da', 400],
    ['labelSelector=a%3Db%3Dc', 400],
  ])('with %s is refused', async (query, status) => {
    expect((await api.call('GET', `${path}?watch=true&${query}`)).status).toBe(status);
  });

  it('is one of 256 at most, and makes room when its client goes away', async () => {
    const watches = await Promise.all(Array.from({ length: 256 }, () => open(`${path}?watch=true`)));
    expect((await api.call('GET', `${path}?watch=true`)).status).toBe(429);
    watches[0]?.response.destroy();
    await vi.waitFor(async () => (await open(`${path}?watch=true`)).response.destroy());
    for (const { response } of watches) response.destroy();
    await vi.waitFor(() => expect(clock.pendingTimers).toBe(0));
  });

  it('is cut off when nobody reads what it says, and the others are not', async () => {
    const slow = connect(api.server.port, '127.0.0.1');
    slow.write(`GET ${path}?watch=true HTTP/1.1\r\nhost: a\r\n\r\n`);
    slow.on('error', () => {});
    slow.pause();
    const { events } = await open(`${path}?watch=true`);
    await vi.waitFor(() => expect(clock.pendingTimers).toBe(2));
    const text = 'x'.repeat(200_000);
    let count = 0;
    for (; count < 200 && clock.pendingTimers === 2; count += 1) {
      const spec = { hosts: ['a'], text, count };
      const metadata = { name: 'a', namespace: 'default' };
      await api.store.commit([{ op: 'put', resource: { apiVersion: 'v1', kind: 'VirtualService', metadata, spec } }]);
      await setImmediate();
    }
    expect(clock.pendingTimers).toBe(1);
    await vi.waitFor(() => expect(events).toHaveLength(count));
    slow.destroy();
  });

  it('ends with the server', async () => {
    const { response } = await open(`${path}?watch=true`);
    const ended = once(response, 'end');
    await api.server.drain(10_000);
    await ended;
    expect(clock.pendingTimers).toBe(0);
  });
});

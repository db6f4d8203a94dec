import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../support/manual-clock.ts';
import { startApi, type TestApi } from './support.ts';

const path = '/apis/networking.heddle.dev/v1alpha1/namespaces/default/canaries';
const events = '/api/v1/namespaces/default/events';
const canary = (spec: object = {}): object => ({
  apiVersion: 'networking.heddle.dev/v1alpha1',
  kind: 'Canary',
  metadata: { name: 'reviews' },
  spec: { host: 'reviews', subsets: { primary: 'v1', canary: 'v2' }, ...spec },
});

interface Stored {
  readonly metadata: { readonly resourceVersion: string; readonly generation: number };
  readonly status?: unknown;
  readonly spec: object;
}

describe('the status of a resource', () => {
  let api: TestApi;

  beforeEach(async () => {
    api = await startApi();
    await api.call('POST', path, canary());
  });
  afterEach(() => api.close());

  it('is written alone: what else stands in the body is not stored', async () => {
    const { body } = await api.call('PUT', `${path}/reviews/status`, {
      ...canary({ paused: true }),
      status: { phase: 'X' },
    });
    expect(body).toMatchObject({ status: { phase: 'X' }, metadata: { generation: 1 } });
    expect((body as Stored).spec).not.toHaveProperty('paused');
    expect((await api.call('GET', `${path}/reviews`)).body).toEqual(body);
  });

  it('stays when users write the resource again', async () => {
    await api.call('PUT', `${path}/reviews/status`, { status: { phase: 'X' } });
    await api.call('PUT', `${path}/reviews`, { ...canary({ paused: true }), status: { phase: 'Y' } });
    expect((await api.call('GET', `${path}/reviews`)).body).toMatchObject({
      status: { phase: 'X' },
      spec: { paused: true },
      metadata: { generation: 2 },
    });
    const again = await api.call('POST', '/apply', [canary({ paused: true })]);
    expect(again.body).toMatchObject({ results: [{ result: 'unchanged' }] });
  });

  it('is refused at another version than the one that was read', async () => {
    const read = (await api.call('GET', `${path}/reviews`)).body as Stored;
    expect((await api.call('PUT', `${path}/reviews/status`, { ...read, status: { phase: 'A' } })).status).toBe(200);
    expect((await api.call('PUT', `${path}/reviews/status`, { ...read, status: { phase: 'B' } })).status).toBe(409);
    expect((await api.call('GET', `${path}/reviews`)).body).toMatchObject({ status: { phase: 'A' } });
  });

  it.each([
    [undefined, 400],
    [{ status: 'fine' }, 400],
    [{ status: [] }, 400],
    [{ status: { text: 'x'.repeat(300_000) } }, 413],
  ])('that is none is refused and nothing is stored: %#', async (body, status) => {
    expect((await api.call('PUT', `${path}/reviews/status`, body)).status).toBe(status);
    expect(((await api.call('GET', `${path}/reviews`)).body as Stored).status).toBeUndefined();
  });

  it('of what is not there is not found', async () => {
    expect((await api.call('PUT', `${path}/nobody/status`, { status: {} })).status).toBe(404);
  });
});

describe('events', () => {
  let api: TestApi;
  const clock = new ManualClock();
  const event = (name: string, involved = 'reviews'): object => ({
    metadata: { name },
    involvedObject: { kind: 'Canary', name: involved },
    message: 'advanced',
  });

  beforeEach(async () => {
    api = await startApi({ clock });
  });
  afterEach(() => api.close());

  const names = async (query = ''): Promise<unknown[]> => {
    const { body } = await api.call('GET', `${events}${query}`);
    return (body as { items: { metadata: { name: string } }[] }).items.map(({ metadata }) => metadata.name);
  };

  it('are listed for the object that they are about', async () => {
    expect((await api.call('POST', events, event('a'))).status).toBe(201);
    await api.call('POST', events, event('b', 'ratings'));
    expect(await names()).toEqual(['a', 'b']);
    const about = 'involvedObject.kind%3DCanary%2CinvolvedObject.name%3Dratings';
    expect(await names(`?fieldSelector=${about}`)).toEqual(['b']);
    expect(await names('?fieldSelector=involvedObject.name!%3Dratings')).toEqual(['a']);
  });

  it('are said once: a second one of the same name is a conflict', async () => {
    await api.call('POST', events, event('a'));
    expect((await api.call('POST', events, event('a'))).status).toBe(409);
    expect(await names()).toEqual(['a']);
  });

  it('go after an hour, and the oldest when there are too many', async () => {
    await api.call('POST', events, event('old'));
    clock.advance(3_600_001);
    expect(await names()).toEqual([]);
    for (let i = 0; i < 1_001; i += 1) await api.call('POST', events, event(`e${i}`));
    const left = await names();
    expect([left.length, left[0]]).toEqual([1_000, 'e1']);
  });

  it.each([
    ['nameless', { message: 'x' }, 400],
    ['no object', '"text"', 400],
    ['huge', { metadata: { name: 'a' }, message: 'x'.repeat(9_000) }, 413],
  ])('that are %s are refused', async (_, body, status) => {
    expect((await api.call('POST', events, body)).status).toBe(status);
  });

  describe('are watched', () => {
    async function watch(query = ''): Promise<{ names: () => string[]; response: IncomingMessage }> {
      const request = get(`http://127.0.0.1:${api.server.port}${events}?watch=true${query}`);
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      const lines: string[] = [];
      createInterface({ input: response }).on('line', (line) => lines.push(line));
      return { names: () => lines.map((line) => /"name":"(\w+)"/.exec(line)?.[1] ?? ''), response };
    }

    it('from the beginning, or from the version of a list, each once', async () => {
      await api.call('POST', events, event('a'));
      const { body } = await api.call('GET', events);
      const { resourceVersion } = (body as { metadata: { resourceVersion: string } }).metadata;
      await api.call('POST', events, event('b'));
      const [all, later] = [await watch(), await watch(`&resourceVersion=${resourceVersion}`)];
      const about = await watch('&fieldSelector=involvedObject.name%3Dratings');
      await api.call('POST', events, event('c', 'ratings'));
      await expect.poll(all.names).toEqual(['a', 'b', 'c']);
      await expect.poll(later.names).toEqual(['b', 'c']);
      await expect.poll(about.names).toEqual(['c']);
    });

    it('until the time is up, or the server ends', async () => {
      const [short, long] = [await watch('&timeoutSeconds=5'), await watch()];
      clock.advance(5_001);
      await once(short.response, 'close');
      const closed = once(long.response, 'close');
      await api.close();
      await closed;
    });

    it.each([
      ['resourceVersion=x', 400],
      ['resourceVersion=9999999999999999', 410],
      ['timeoutSeconds=0', 400],
    ])('not with %s', async (query, status) => {
      expect((await api.call('GET', `${events}?watch=true&${query}`)).status).toBe(status);
    });
  });

  it('a selector that is none is refused', async () => {
    expect((await api.call('GET', `${events}?fieldSelector=nonsense`)).status).toBe(400);
  });
});

/** What every ConfigStore promises. One suite, run against each store. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../proxy/common/clock.ts';
import { type Change, type Commit, type ConfigStore, ConflictError } from '../../crds/config-store.ts';
import type { StoreDependencies } from '../../crds/memory-store.ts';
import { keyFor, put, remove } from './puts.ts';
import { stored } from './support.ts';

/** A clock that stands until it is turned. */
export class StoppedClock implements Clock {
  now = Date.parse('2026-01-31T12:00:00Z');
  nowMs = (): number => this.now;
  monotonicMs = (): number => this.now;
  setTimer = (): (() => void) => () => {};
}

export const namesIn = (store: ConfigStore): string[] => store.list().map(({ metadata }) => metadata.name);

export function describeConfigStore(name: string, create: (dependencies: StoreDependencies) => ConfigStore): void {
  describe(name, () => {
    const clock = new StoppedClock();
    let store: ConfigStore;
    let uids: number;

    beforeEach(async () => {
      uids = 0;
      store = create({ clock, newUid: () => `uid-${(uids += 1)}` });
      await store.open();
    });
    afterEach(() => store.close());

    it('is empty at revision 0 before the first commit', () => {
      expect(store.revision).toBe(0);
      expect(store.list()).toEqual([]);
      expect(store.get(keyFor('a'))).toBeUndefined();
    });

    it('fills in what belongs to the store', async () => {
      const { puts } = await store.commit([put('a', { hosts: ['x'] })]);
      expect(puts).toEqual([
        {
          apiVersion: 'networking.istio.io/v1',
          kind: 'VirtualService',
          metadata: {
            name: 'a',
            namespace: 'default',
            uid: 'uid-1',
            resourceVersion: '1',
            generation: 1,
            creationTimestamp: '2026-01-31T12:00:00Z',
          },
          spec: { hosts: ['x'] },
        },
      ]);
      expect(store.get(keyFor('a'))).toBe(puts[0]);
    });

    it('keeps uid and creation over updates, and counts only changes of spec as generations', async () => {
      await store.commit([put('a', { n: 1 })]);
      const [first] = store.list();
      await store.commit([put('a', { n: 2 })]);
      await store.commit([
        {
          op: 'put',
          resource: { ...stored('a', { n: 2 }), metadata: { name: 'a', namespace: 'default', labels: { l: '1' } } },
        },
      ]);
      expect(store.get(keyFor('a'))?.metadata).toEqual({
        ...first?.metadata,
        labels: { l: '1' },
        resourceVersion: '3',
        generation: 2,
      });
    });

    it('takes a put that changes nothing for no change', async () => {
      await store.commit([put('a', { x: { y: [1, 2] }, z: 1 })]);
      const commits: Commit[] = [];
      store.subscribe((commit) => commits.push(commit));
      expect(await store.commit([put('a', { z: 1, x: { y: [1, 2] } })])).toEqual({
        revision: 1,
        puts: [],
        deletes: [],
      });
      expect(store.revision).toBe(1);
      expect(commits).toEqual([]);
    });

    it('commits all changes as one revision', async () => {
      await store.commit([put('old')]);
      const commit = await store.commit([put('a'), remove('old'), put('b')]);
      expect(commit.revision).toBe(2);
      expect(commit.puts.map(({ metadata }) => metadata.name)).toEqual(['a', 'b']);
      expect(commit.deletes.map(({ metadata }) => metadata.name)).toEqual(['old']);
      expect(namesIn(store)).toEqual(['a', 'b']);
    });

    it.each([
      ['deletes what is not there', [put('a'), remove('ghost')], 'VirtualService default/ghost does not exist'],
      [
        'is stale',
        [put('a'), put('old', { n: 2 }, { ifResourceVersion: '7' })],
        'VirtualService default/old is at resourceVersion 1, not 7: somebody else changed it',
      ],
      [
        'deletes a stale version',
        [put('a'), remove('old', { ifResourceVersion: '7' })],
        'VirtualService default/old is at resourceVersion 1, not 7: somebody else changed it',
      ],
      [
        'updates what is not there',
        [put('a'), put('ghost', {}, { ifResourceVersion: '1' })],
        'VirtualService default/ghost does not exist',
      ],
      [
        'creates what is there',
        [put('a'), put('old', {}, { ifResourceVersion: '0' })],
        'VirtualService default/old already exists',
      ],
    ])('stores nothing of a transaction of which one change %s', async (_name, changes, message) => {
      await store.commit([put('old')]);
      await expect(store.commit(changes)).rejects.toThrow(new ConflictError(message));
      expect(namesIn(store)).toEqual(['old']);
      expect(store.revision).toBe(1);
    });

    it('lets the later of two changes of one resource win', async () => {
      const commit = await store.commit([put('a', { n: 1 }), put('a', { n: 2 }), put('b'), remove('b')]);
      expect(commit.puts.map(({ spec }) => spec)).toEqual([{ n: 2 }]);
      expect(commit.deletes).toEqual([]);
      expect(namesIn(store)).toEqual(['a']);
    });

    it('puts a resource back as a new one after a delete', async () => {
      await store.commit([put('a', { n: 1 })]);
      await store.commit([remove('a')]);
      await store.commit([put('a', { n: 1 })]);
      expect(store.get(keyFor('a'))?.metadata).toMatchObject({ uid: 'uid-2', generation: 1, resourceVersion: '3' });
    });

    it('lists the oldest first, then by name, then by namespace', async () => {
      const inNamespace = (name: string, namespace: string): Change => ({
        op: 'put',
        resource: { ...stored(name), metadata: { name, namespace } },
      });
      await store.commit([inNamespace('b', 'z'), inNamespace('b', 'y'), inNamespace('c', 'a')]);
      clock.now += 1000;
      await store.commit([put('a')]);
      expect(store.list().map(({ metadata }) => `${metadata.name}/${metadata.namespace}`)).toEqual([
        'b/y',
        'b/z',
        'c/a',
        'a/default',
      ]);
    });

    it('lists one kind', async () => {
      await store.commit([put('a'), { op: 'put', resource: stored('d', {}, 'DestinationRule') }]);
      expect(store.list('DestinationRule').map(({ metadata }) => metadata.name)).toEqual(['d']);
      expect(store.list('Nothing')).toEqual([]);
    });

    it('keeps resources of the same name in different kinds and namespaces apart', async () => {
      await store.commit([
        put('a', { n: 1 }),
        { op: 'put', resource: stored('a', { n: 2 }, 'DestinationRule') },
        { op: 'put', resource: { ...stored('a', { n: 3 }), metadata: { name: 'a', namespace: 'other' } } },
      ]);
      expect(store.get(keyFor('a'))?.spec).toEqual({ n: 1 });
      expect(store.get({ ...keyFor('a'), kind: 'DestinationRule' })?.spec).toEqual({ n: 2 });
      expect(store.get({ ...keyFor('a'), namespace: 'other' })?.spec).toEqual({ n: 3 });
    });

    it('hands out resources that nobody can change, not even who put them', async () => {
      const spec = { hosts: ['a'] };
      await store.commit([put('a', spec)]);
      spec.hosts.push('b');
      const got = store.get(keyFor('a'))?.spec as typeof spec | undefined;
      expect(got).toEqual({ hosts: ['a'] });
      expect(() => got?.hosts.push('c')).toThrow(TypeError);
      expect(() => (store.list() as unknown[]).push(1)).toThrow(TypeError);
    });

    it('keeps what it handed out as it was', async () => {
      await store.commit([put('a', { n: 1 })]);
      const before = store.list();
      await store.commit([put('a', { n: 2 }), put('b')]);
      expect(before.map(({ spec }) => spec)).toEqual([{ n: 1 }]);
    });

    it('runs concurrent commits in the order they came, each as its own revision', async () => {
      const heard: number[] = [];
      store.subscribe(({ revision }) => heard.push(revision));
      const commits = await Promise.all(
        Array.from({ length: 50 }, (_, index) => store.commit([put('a', { index }), put(`n${index}`)])),
      );
      expect(commits.map(({ revision }) => revision)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
      expect(heard).toEqual(commits.map(({ revision }) => revision));
      expect(store.get(keyFor('a'))?.spec).toEqual({ index: 49 });
      expect(store.get(keyFor('a'))?.metadata.generation).toBe(50);
    });

    it('lets one of many concurrent creations win', async () => {
      const results = await Promise.allSettled(
        Array.from({ length: 10 }, (_, index) => store.commit([put('a', { index }, { ifResourceVersion: '0' })])),
      );
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', ...Array<string>(9).fill('rejected')]);
      expect(store.get(keyFor('a'))?.spec).toEqual({ index: 0 });
    });

    it('tells subscribers of each commit once, with the store already at that commit', async () => {
      const seen: unknown[] = [];
      const unsubscribe = store.subscribe(({ revision, puts }) =>
        seen.push([revision, store.revision, puts[0] === store.get(keyFor('a'))]),
      );
      await store.commit([put('a', { n: 1 })]);
      await store.commit([put('a', { n: 2 })]);
      unsubscribe();
      unsubscribe();
      await store.commit([put('a', { n: 3 })]);
      expect(seen).toEqual([
        [1, 1, true],
        [2, 2, true],
      ]);
    });

    it('goes on when a subscriber throws, and tells the others', async () => {
      const heard: number[] = [];
      store.subscribe(() => {
        throw new Error('broken');
      });
      store.subscribe(({ revision }) => heard.push(revision));
      await store.commit([put('a')]);
      expect(heard).toEqual([1]);
      expect(namesIn(store)).toEqual(['a']);
    });

    it('lets a subscriber commit', async () => {
      const followUp = new Promise<Commit>((resolve, reject) => {
        const unsubscribe = store.subscribe(() => {
          unsubscribe();
          store.commit([put('b')]).then(resolve, reject);
        });
      });
      await store.commit([put('a')]);
      expect((await followUp).revision).toBe(2);
    });

    it('refuses commits when it is closed', async () => {
      await store.close();
      await expect(store.commit([put('a')])).rejects.toThrow('the config store is not open');
    });

    it('keeps __proto__ a key like any other', async () => {
      const spec = JSON.parse('{"labels": {"__proto__": "x"}}') as object;
      await store.commit([put('a', spec)]);
      expect(JSON.stringify(store.get(keyFor('a'))?.spec)).toBe('{"labels":{"__proto__":"x"}}');
    });
  });
}

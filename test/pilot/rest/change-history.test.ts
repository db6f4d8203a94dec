import { beforeEach, describe, expect, test } from 'vitest';
import type { Commit } from '../../../crds/config-store.ts';
import { MemoryStore } from '../../../crds/memory-store.ts';
import { ChangeHistory, type HistoryLimits, type StoredChange } from '../../../pilot/rest/change-history.ts';

const resource = (name: string, spec: object = {}): Parameters<MemoryStore['commit']>[0][number] => ({
  op: 'put',
  resource: { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec },
});

describe('the last changes of a store', () => {
  let store: MemoryStore;

  beforeEach(async () => {
    store = new MemoryStore();
    await store.open();
  });

  function begin(limits?: HistoryLimits): ChangeHistory {
    const history = new ChangeHistory(limits);
    history.begin(store);
    store.subscribe((commit: Commit) => history.add(commit));
    return history;
  }

  const texts = (changes: readonly StoredChange[] | undefined): unknown =>
    changes?.map(({ type, revision, resource: { metadata } }) => `${type} ${metadata.name}@${revision}`);
  const all = (): boolean => true;

  test('tell what is new, what was changed and what is gone, at the version of the change', async () => {
    await store.commit([resource('old')]);
    const history = begin();
    await store.commit([resource('a')]);
    await store.commit([resource('old', { changed: true })]);
    await store.commit([{ op: 'delete', key: { kind: 'Service', namespace: 'default', name: 'a' } }]);
    await store.commit([resource('a')]);
    expect(texts(history.after(1, all))).toEqual(['ADDED a@2', 'MODIFIED old@3', 'DELETED a@4', 'ADDED a@5']);
    expect(history.after(3, all)?.[0]?.resource.metadata.resourceVersion).toBe('4');
    expect(texts(history.after(5, all))).toEqual([]);
  });

  test('do not reach back before the start, nor to another store', async () => {
    await store.commit([resource('a')]);
    await store.commit([resource('b')]);
    const history = begin();
    expect(history.after(2, all)).toEqual([]);
    expect([history.after(1, all), history.after(3, all), history.after(Number.NaN, all)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('of one commit are told again to who may have seen only some of them', async () => {
    const history = begin();
    await store.commit([resource('a'), resource('b')]);
    await store.commit([resource('c')]);
    expect(texts(history.after(1, all))).toEqual(['ADDED a@1', 'ADDED b@1', 'ADDED c@2']);
    expect(texts(history.after(1, ({ metadata }) => metadata.name !== 'b'))).toEqual(['ADDED c@2']);
  });

  test('are forgotten when there are too many', async () => {
    const history = begin({ maxCommits: 3 });
    for (const name of ['a', 'b', 'c', 'd']) await store.commit([resource(name)]);
    expect(history.after(0, all)).toBeUndefined();
    expect(texts(history.after(1, all))).toEqual(['ADDED b@2', 'ADDED c@3', 'ADDED d@4']);
  });

  test('are forgotten when they are too large, and so is one that is too large alone', async () => {
    const history = begin({ maxChars: 2_000 });
    await store.commit([resource('a', { text: 'x'.repeat(1_000) })]);
    await store.commit([resource('b', { text: 'x'.repeat(1_000) })]);
    expect(history.after(0, all)).toBeUndefined();
    expect(texts(history.after(1, all))).toEqual(['ADDED b@2']);
    await store.commit([resource('c', { text: 'x'.repeat(3_000) })]);
    expect(history.after(2, all)).toBeUndefined();
    expect(history.after(3, all)).toEqual([]);
  });
});

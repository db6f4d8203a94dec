import { describe, expect, test } from 'vitest';
import { changedNames, planComplete, planPartial } from '../../../pilot/xds/push-plan.ts';
import type { EncodedResource } from '../../../pilot/xds/resource-encoder.ts';
import type { Delivery } from '../../../pilot/xds/subscription.ts';

const last: Delivery = { version: '', nonce: '', sentAtMs: 0, outcome: { kind: 'acked', atMs: 0 } };

/** `a1` is resource `a` in version 1. */
const resource = (text: string): EncodedResource => ({
  name: text.slice(0, 1),
  version: text.slice(1),
  parts: () => [],
});
const setOf = (...texts: string[]) => new Map(texts.map(resource).map((item) => [item.name, item]));
const textsOf = (resources: readonly EncodedResource[] = []) => resources.map(({ name, version }) => name + version);

describe('a response that holds everything', () => {
  const plan = (sent: string[], wanted: string[], isKeepingRemoved = false) => {
    const { push, hasDeferredRemovals } = planComplete(
      { sent: setOf(...sent), last },
      setOf(...wanted),
      isKeepingRemoved,
    );
    return { resources: push && textsOf(push.resources), hasDeferredRemovals };
  };

  test.each([
    ['nothing changed', ['a1', 'b1'], ['a1', 'b1'], undefined],
    ['one changed', ['a1', 'b1'], ['a1', 'b2'], ['a1', 'b2']],
    ['one is new', ['a1'], ['a1', 'b1'], ['a1', 'b1']],
    ['one is gone', ['a1', 'b1'], ['a1'], ['a1']],
    ['all are gone', ['a1'], [], []],
  ])('%s', (_name, sent, wanted, resources) => {
    expect(plan(sent, wanted)).toEqual({ resources, hasDeferredRemovals: false });
  });

  test('what is gone is kept as long as it is in use', () => {
    expect(plan(['a1', 'b1'], ['a1'], true)).toEqual({ resources: undefined, hasDeferredRemovals: true });
    expect(plan(['a1', 'b1'], ['a2'], true)).toEqual({ resources: ['a2', 'b1'], hasDeferredRemovals: true });
    expect(plan(['a1'], ['a1', 'b1'], true)).toEqual({ resources: ['a1', 'b1'], hasDeferredRemovals: false });
  });

  test('the first is sent even when it is empty: the client waits for it', () => {
    expect(planComplete({ sent: new Map(), last: undefined }, new Map(), false).push).toEqual({
      resources: [],
      isComplete: true,
    });
  });
});

describe('a response that holds what changed', () => {
  const sent = { sent: setOf('a1', 'b1'), last };

  test('leaves out what the client has', () => {
    expect(textsOf(planPartial(sent, ['a1', 'b2', 'c1'].map(resource))?.resources)).toEqual(['b2', 'c1']);
    expect(planPartial(sent, [resource('a1')])).toBeUndefined();
  });

  test('changed are those that the client has in another version, not the new ones', () => {
    const push = { resources: ['a1', 'b2', 'c1'].map(resource), isComplete: true };
    expect(changedNames(sent, push)).toEqual(['b']);
  });
});

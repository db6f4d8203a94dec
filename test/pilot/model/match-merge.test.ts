import { describe, expect, test } from 'vitest';
import type { HTTPMatchRequest, StringMatch } from '../../../crds/virtual-service.ts';
import { mergeMatches } from '../../../pilot/model/match-merge.ts';

describe('S31: a condition within another', () => {
  test.each<[StringMatch, StringMatch, boolean]>([
    [{ prefix: '/a' }, { prefix: '/a/b' }, true],
    [{ prefix: '/a' }, { exact: '/a/b' }, true],
    [{ prefix: '/a' }, { prefix: '/b' }, false],
    [{ prefix: '/a/b' }, { prefix: '/a' }, false],
    [{ exact: '/a' }, { exact: '/a' }, true],
    [{ exact: '/a' }, { exact: '/b' }, false],
    [{ exact: '/a' }, { prefix: '/a' }, false],
    [{ regex: '/a.*' }, { exact: '/a' }, false],
    [{ prefix: '/a' }, { regex: '/a' }, false],
  ])('of %j, %j: %j', (outer, inner, isWithin) => {
    expect(mergeMatches([{ uri: outer }], [{ uri: inner }])).toEqual(isWithin ? [{ uri: inner }] : undefined);
    expect(mergeMatches([{ headers: { a: outer } }], [{ headers: { a: inner } }]) !== undefined).toBe(isWithin);
  });

  test.each<[HTTPMatchRequest, HTTPMatchRequest]>([
    [{ port: 80 }, { port: 81 }],
    [{ sourceNamespace: 'a' }, { sourceNamespace: 'b' }],
    [{ sourceNamespace: 'a' }, {}],
    [{ sourceLabels: { a: 'b' } }, { sourceLabels: { a: 'c' } }],
    [{ ignoreUriCase: true }, {}],
    [{ gateways: ['mesh'] }, { gateways: ['front'] }],
    [{ method: { exact: 'GET' } }, { method: { exact: 'PUT' } }],
  ])('of %j, %j: false', (outer, inner) => {
    expect(mergeMatches([outer], [inner])).toBeUndefined();
  });
});

describe('S31: conditions of both', () => {
  test('are joined, and the inner one counts where both say something', () => {
    const outer: HTTPMatchRequest = {
      name: 'outer',
      uri: { prefix: '/a' },
      headers: { a: { prefix: '1' }, b: {} },
      sourceLabels: { app: 'web' },
      port: 80,
    };
    const inner: HTTPMatchRequest = {
      name: 'inner',
      uri: { exact: '/a/b' },
      headers: { a: { exact: '12' }, c: {} },
      sourceLabels: { version: 'v1' },
    };
    expect(mergeMatches([outer], [inner])).toEqual([
      {
        name: 'outer-inner',
        uri: { exact: '/a/b' },
        headers: { a: { exact: '12' }, b: {}, c: {} },
        sourceLabels: { app: 'web', version: 'v1' },
        port: 80,
      },
    ]);
  });

  test('are all pairs that do not exclude each other, in the order of the inner ones', () => {
    const outer = [{ uri: { prefix: '/a' } }, { uri: { prefix: '/b' } }];
    const inner = [{ uri: { exact: '/b/1' } }, { method: { exact: 'GET' } }];
    expect(mergeMatches(outer, inner)).toEqual([
      { uri: { exact: '/b/1' } },
      { uri: { prefix: '/a' }, method: { exact: 'GET' } },
      { uri: { prefix: '/b' }, method: { exact: 'GET' } },
    ]);
  });

  test('one inner match outside of all outer ones drops the rule as a whole', () => {
    expect(
      mergeMatches([{ uri: { prefix: '/a' } }], [{ uri: { prefix: '/a' } }, { uri: { prefix: '/c' } }]),
    ).toBeUndefined();
  });

  test('where one side has none, the other counts', () => {
    const match = [{ uri: { prefix: '/a' } }];
    expect(mergeMatches(match, [])).toEqual(match);
    expect(mergeMatches([], match)).toEqual(match);
    expect(mergeMatches([], [])).toEqual([]);
  });
});

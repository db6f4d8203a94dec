import { describe, expect, test } from 'vitest';
import { parseResourceWords, resourcePath } from '../../../pilot/cli/kind-words.ts';

describe('kinds and names on the command line', () => {
  test.each(['vs', 'virtualservice', 'virtualservices', 'VirtualService', 'virtualservices.networking.istio.io'])(
    '%s means VirtualService',
    (word) =>
      expect(parseResourceWords(word, ['a', 'b'])).toMatchObject({
        kind: { kind: 'VirtualService' },
        names: ['a', 'b'],
      }),
  );

  test('KIND/NAME may be repeated with one kind', () => {
    expect(parseResourceWords('vs/a', ['virtualservice/b']).names).toEqual(['a', 'b']);
    expect(() => parseResourceWords('vs/a', ['dr/b'])).toThrow(/of one kind/);
    expect(() => parseResourceWords('vs/a', ['b'])).toThrow();
    expect(() => parseResourceWords('vs/', [])).toThrow();
  });

  test('a word that is no kind is answered with a near one', () => {
    expect(() => parseResourceWords('virtualservises', [])).toThrow(
      /no kind "virtualservises" \(did you mean "virtualservices"\?\)/,
    );
  });

  test('paths are those of a Kubernetes API', () => {
    const { kind } = parseResourceWords('dr', []);
    expect(resourcePath({ kind, namespace: 'shop', name: 'a' })).toBe(
      '/apis/networking.istio.io/v1/namespaces/shop/destinationrules/a',
    );
    expect(resourcePath({ kind, namespace: undefined })).toBe('/apis/networking.istio.io/v1/destinationrules');
    expect(resourcePath({ kind: parseResourceWords('svc', []).kind, namespace: 'default' })).toBe(
      '/api/v1/namespaces/default/services',
    );
  });
});

import { describe, expect, it } from 'vitest';
import { formatManifestError, parseManifest } from '../../crds/manifest.ts';
import { validateResource } from '../../crds/validate.ts';

/** Every fault of a file, of form or of content, as the user is told. */
function faultsOf(text: string): string[] {
  const { documents, errors } = parseManifest('vs.yaml', text);
  const inContent = documents.flatMap((document) =>
    (validateResource(document.resource).errors ?? []).map((error) => document.locate(error)),
  );
  return [...errors, ...inContent].map(formatManifestError);
}

const canary = `# the release
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [reviews]
  http:
  - route:
    - destination: { host: reviews, subset: v1 }
      weight: 95
    - destination:
        host: reviews
        subset: v2
      weight: 5
`;

describe('a manifest', () => {
  it('holds resources with their lines', () => {
    const { documents, errors } = parseManifest('vs.yaml', `${canary}---\n${canary}`);
    expect(errors).toEqual([]);
    expect(documents.map(({ file, line }) => [file, line])).toEqual([
      ['vs.yaml', 2],
      ['vs.yaml', 17],
    ]);
    expect(documents[0]?.resource).toMatchObject({ kind: 'VirtualService', spec: { hosts: ['reviews'] } });
    expect(faultsOf(canary)).toEqual([]);
  });

  it('names the line of every fault', () => {
    const text = canary
      .replace('95', '-1')
      .replace('subset: v2', 'subset: v 2')
      .replace('hosts: [reviews]', 'hosts: ["a b"]');
    expect(faultsOf(`---\n${canary}---\n${text}`)).toEqual([
      'vs.yaml:26: spec.http[0].route[0].weight: must be >= 0, got -1',
      'vs.yaml:22: spec.hosts[0]: must be a domain name or a wildcard prefix, got "a b" with the invalid label "a b"',
      'vs.yaml:29: spec.http[0].route[1].destination.subset: must be a DNS label (letters, digits and hyphens, at most 63 characters), got "v 2"',
    ]);
  });

  it('names the line of what surrounds a missing field, and of the key of a wrong value', () => {
    expect(faultsOf(canary.replace('host: reviews\n', '\n'))).toEqual([
      'vs.yaml:11: spec.http[0].route[1].destination.host: is required',
    ]);
    expect(faultsOf(canary.replace('metadata: { name: reviews }', 'metadata: {}'))).toEqual([
      'vs.yaml:4: metadata.name: is required',
    ]);
    expect(faultsOf(canary.replace('spec:', 'specs:'))).toEqual([
      'vs.yaml:2: spec: is required',
      'vs.yaml:5: specs: unknown field (did you mean "spec"?)',
    ]);
  });

  it('finds the lines of keys that hold dots and slashes', () => {
    const text =
      'apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  labels:\n    ok: fine\n    "example.com/-a": b\nspec: { ports: [{ port: 80 }] }\n';
    expect(faultsOf(text)).toEqual([
      'vs.yaml:7: metadata.labels["example.com/-a"]: must be a label key such as app or example.com/app, got "example.com/-a"',
    ]);
  });

  it('may be JSON, also over several lines', () => {
    const text =
      '{\n "apiVersion": "v1",\n "kind": "Service",\n\t"metadata": {"name": "a"},\n "spec": {\n  "ports": [{"port": 70000}]}}';
    expect(faultsOf(text)).toEqual(['vs.yaml:6: spec.ports[0].port: must be <= 65535, got 70000']);
  });

  it('flattens lists and keeps their lines', () => {
    const list = `kind: List\napiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: { name: a }\n  spec: { ports: [{ port: 80 }] }\n- apiVersion: v1\n  kind: Service\n  metadata: { name: b }\n  spec:\n    ports:\n    - port: 0\n`;
    const { documents } = parseManifest('vs.yaml', list);
    expect(documents.map(({ line }) => line)).toEqual([4, 8]);
    expect(faultsOf(list)).toEqual(['vs.yaml:13: spec.ports[0].port: must be >= 1, got 0']);
  });

  it('skips documents with nothing in them', () => {
    expect(parseManifest('vs.yaml', `---\n# nothing\n---\n${canary}---\n`).documents).toHaveLength(1);
    expect(parseManifest('vs.yaml', '')).toEqual({ documents: [], errors: [] });
    expect(parseManifest('vs.yaml', 'kind: List\nitems: []\n')).toEqual({ documents: [], errors: [] });
  });

  it('reads anchors and aliases, whose faults are named where they are used', () => {
    const text = canary.replace('weight: 95', 'weight: &w -1').replace('weight: 5', 'weight: *w');
    expect(faultsOf(text)).toEqual([
      'vs.yaml:10: spec.http[0].route[0].weight: must be >= 0, got -1',
      'vs.yaml:14: spec.http[0].route[1].weight: must be >= 0, got -1',
    ]);
  });

  it('reads texts that look like other things as YAML 1.2 does', () => {
    const text =
      'apiVersion: v1\nkind: Service\nmetadata: { name: a, labels: { a: yes, b: off, c: 2026-01-31, d: 1_000 } }\nspec: { ports: [{ port: 0x50 }] }\n';
    expect(faultsOf(text)).toEqual([]);
    expect(parseManifest('vs.yaml', text).documents[0]?.resource).toMatchObject({
      metadata: { labels: { a: 'yes', b: 'off', c: '2026-01-31', d: '1_000' } },
      spec: { ports: [{ port: 80 }] },
    });
  });

  it('may have carriage returns and a byte order mark', () => {
    expect(faultsOf(`\uFEFF${canary.replace('95', '-1').replaceAll('\n', '\r\n')}`)).toEqual([
      'vs.yaml:10: spec.http[0].route[0].weight: must be >= 0, got -1',
    ]);
  });
});

describe('what is no manifest', () => {
  it.each([
    ['broken indentation', 'a: 1\n b: 2\n', 'vs.yaml:2: bad indentation of a mapping entry'],
    ['an open bracket', 'a: [1, 2\n', /^vs\.yaml:\d: /],
    ['an open quote', 'a: "b\n', /^vs\.yaml:\d: /],
    ['a tab as indentation', 'a:\n\tb: 1\n', /^vs\.yaml:2: /],
    ['a key twice', 'kind: Service\nspec:\n  ports: []\n  ports: []\n', 'vs.yaml:4: duplicated mapping key'],
    ['a key twice in JSON', '{"kind": "Service",\n"kind": "Service"}', 'vs.yaml:2: duplicated mapping key'],
    ['an unknown alias', 'a: *b\n', 'vs.yaml:1: unidentified alias "b"'],
    ['an unknown tag', 'a: 1\nb: !!js/function x\n', /^vs\.yaml:2: unknown scalar tag/],
    [
      '__proto__',
      'kind: Service\nspec:\n  "__proto__":\n    polluted: true\n',
      'vs.yaml:3: the key __proto__ is not allowed',
    ],
    ['__proto__ deep in a list', 'a:\n- b: 1\n- { __proto__: {} }\n', 'vs.yaml:3: the key __proto__ is not allowed'],
    ['a key that is a list', '? [a]\n: b\n', /^vs\.yaml:1: /],
    ['a text', 'hello\n', 'vs.yaml:1: must be a resource with apiVersion, kind, metadata and spec, got "hello"'],
    [
      'a text in a list',
      'kind: List\nitems:\n- 5\n',
      'vs.yaml:3: items[0]: must be a resource with apiVersion, kind, metadata and spec, got 5',
    ],
    ['NUL', 'a: \0\n', 'vs.yaml:1: null byte is not allowed in input'],
    ['a hundred levels', `a: ${'['.repeat(100)}`, 'vs.yaml:1: nesting exceeded maxDepth (64)'],
  ])('is told in one sentence: %s', (_name, text, expected) => {
    const faults = faultsOf(text);
    expect(faults).toHaveLength(1);
    if (typeof expected === 'string') expect(faults[0]).toBe(expected);
    else expect(faults[0]).toMatch(expected);
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  it('gives nothing of a file in which anything is broken', () => {
    expect(parseManifest('vs.yaml', `${canary}---\na: [\n`).documents).toEqual([]);
  });

  it('stops at aliases that stand for billions of values', () => {
    const levels = Array.from(
      { length: 9 },
      (_, n) => `a${n + 1}: &a${n + 1} [${Array<string>(9).fill(`*a${n}`).join(', ')}]`,
    );
    const started = performance.now();
    expect(faultsOf(`a0: &a0 x\n${levels.join('\n')}\n`)).toEqual([
      'vs.yaml:1: holds more than 100000 values, counting what aliases repeat',
    ]);
    expect(faultsOf('# circle\na: &a [*a]\n')).toEqual([
      'vs.yaml:2: holds more than 100000 values, counting what aliases repeat',
    ]);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

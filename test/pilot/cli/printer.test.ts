import { describe, expect, test } from 'vitest';
import { findKind, type Kind } from '../../../crds/kinds.ts';
import type { Resource } from '../../../crds/resource.ts';
import { formatAge } from '../../../crds/printer-columns.ts';
import { printNames, printTable } from '../../../pilot/cli/printer.ts';

const kindOf = (name: string): Kind => {
  const kind = findKind(name);
  if (kind === undefined) throw new Error(`no kind ${name}`);
  return kind;
};
const nowMs = Date.parse('2026-01-31T12:00:00Z');
const resource = (name: string, spec: unknown, namespace = 'default'): Resource => ({
  apiVersion: 'v1',
  kind: 'X',
  metadata: {
    name,
    namespace,
    uid: 'u',
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: '2026-01-31T11:58:20Z',
  },
  spec,
});

describe('tables of resources', () => {
  test('have the columns of the kind; what is not there is <none>', () => {
    const table = printTable([resource('reviews', { hosts: ['reviews', 'r.example.com'] })], {
      kind: kindOf('VirtualService'),
      isWide: false,
      hasNamespace: false,
      nowMs,
    });
    expect(table).toBe(
      'NAME      GATEWAYS   HOSTS                         AGE\nreviews   <none>     ["reviews","r.example.com"]   100s\n',
    );
  });

  test('the namespace comes first when all are shown, and wide columns only when asked for', () => {
    const spec = { ports: [{ port: 80 }, { port: 443 }], selector: { app: 'web' } };
    const options = { kind: kindOf('Service'), hasNamespace: true, nowMs };
    const wide = printTable([resource('web', spec, 'shop')], { ...options, isWide: true });
    expect(wide.split('\n')[0]).toBe('NAMESPACE   NAME   TYPE     CLUSTER-IP   PORT(S)   AGE    SELECTOR');
    expect(wide.split('\n')[1]).toBe('shop        web    <none>   <none>       80,443    100s   {"app":"web"}');
    expect(printTable([resource('web', spec)], { ...options, isWide: false })).not.toContain('SELECTOR');
  });

  test('names carry kind and group', () => {
    expect(printNames([resource('a', {}), resource('b', {})], kindOf('DestinationRule'))).toBe(
      'destinationrule.networking.istio.io/a\ndestinationrule.networking.istio.io/b\n',
    );
    expect(printNames([resource('a', {})], kindOf('Service'))).toBe('service/a\n');
  });

  test.each([
    [-5, '0s'],
    [119_999, '119s'],
    [120_000, '2m'],
    [7_199_999, '119m'],
    [7_200_000, '2h'],
    [172_800_000, '2d'],
    [8_640_000_000, '100d'],
  ])('an age of %i ms is %s', (ageMs, text) => expect(formatAge(ageMs)).toBe(text));
});

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { validateResource } from '../../crds/validate.ts';

interface Case {
  readonly id: string;
  readonly expect: 'accept' | 'reject';
  readonly warning?: boolean;
  readonly resource: { readonly kind: string; readonly metadata: object };
}

const file = new URL('istio-validation.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { readonly cases: readonly Case[] };

/** Where Heddle's verdict is another one than Istio's, and why. */
const exceptions: Readonly<Record<string, string>> = {
  'ServiceEntries/discovery type DYNAMIC_DNS, MESH_INTERNAL with waypoint (invalid)':
    'Istio rejects because of the label istio.io/use-waypoint, which the case as recorded does not carry',
};

const verdictOf = (input: unknown): string => (validateResource(input).errors === undefined ? 'accept' : 'reject');

describe("Istio's own validation cases", () => {
  it.each(cases.filter(({ id }) => !(id in exceptions)).map((one) => [one.resource.kind, one.id, one] as const))(
    '%s: %s',
    (_kind, _id, { expect: expected, warning = false, resource }) => {
      const { value, errors = [] } = validateResource(resource);
      expect(errors.length === 0 ? 'accept' : 'reject', JSON.stringify(errors)).toBe(expected);
      for (const { path, message } of errors) {
        expect(path).toMatch(/^spec\./);
        expect(message).not.toBe('');
      }
      if (value !== undefined) expect(value.warnings.length > 0).toBe(warning);
    },
  );

  it('has one exception, which is decided as in Istio once the label is there', () => {
    const [one, ...others] = cases.filter(({ id }) => id in exceptions);
    expect(others).toEqual([]);
    expect(one?.expect).toBe('reject');
    expect(verdictOf(one?.resource)).toBe('accept');
    const labels = { 'istio.io/use-waypoint': 'waypoint' };
    expect(verdictOf({ ...one?.resource, metadata: { ...one?.resource.metadata, labels } })).toBe('reject');
  });

  it('covers five kinds', () => {
    const counts = new Map<string, number>();
    for (const { resource } of cases) counts.set(resource.kind, (counts.get(resource.kind) ?? 0) + 1);
    expect(Object.fromEntries(counts)).toEqual({
      VirtualService: 69,
      DestinationRule: 31,
      ServiceEntry: 33,
      WorkloadEntry: 4,
      Gateway: 48,
    });
  });
});

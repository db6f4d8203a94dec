import { readdirSync, readFileSync } from 'node:fs';
import { load } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import { renderCrds } from '../../crds/crd-yaml.ts';
import { findKindByAnyName, kinds } from '../../crds/kinds.ts';

const folder = new URL('../../crds/generated/', import.meta.url);

interface Crd {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly names: { readonly plural: string };
    readonly group: string;
    readonly versions: readonly {
      readonly name: string;
      readonly storage: boolean;
      readonly schema: { readonly openAPIV3Schema: unknown };
    }[];
  };
}

const crds = [...renderCrds()].map(([name, text]) => ({ name, text, crd: load(text) as Crd }));

describe('the committed CustomResourceDefinitions', () => {
  it('are those that the schemas generate (else run `npm run generate`)', () => {
    expect(readdirSync(folder).toSorted()).toEqual(crds.map(({ name }) => name).toSorted());
    for (const { name, text } of crds) expect(readFileSync(new URL(name, folder), 'utf8') === text, name).toBe(true);
  });

  it('are one per kind that Kubernetes does not have, named as Kubernetes asks', () => {
    const ofIstio = [
      'virtualservices',
      'destinationrules',
      'serviceentries',
      'gateways',
      'sidecars',
      'workloadentries',
    ];
    expect(crds.map(({ crd }) => crd.metadata.name)).toEqual([
      ...ofIstio.map((plural) => `${plural}.networking.istio.io`),
      'ratelimits.networking.heddle.dev',
      'canaries.networking.heddle.dev',
      'checkrules.networking.heddle.dev',
      'telemetries.telemetry.istio.io',
    ]);
    for (const { crd } of crds) expect(crd.metadata.name).toBe(`${crd.spec.names.plural}.${crd.spec.group}`);
  });

  it('serve all versions and store the first', () => {
    const stored = ['v1', true];
    const versions: Readonly<Record<string, unknown>> = {
      'networking.istio.io': [stored, ['v1beta1', false], ['v1alpha3', false]],
      'telemetry.istio.io': [stored, ['v1alpha1', false]],
      'networking.heddle.dev': [['v1alpha1', true]],
    };
    for (const { crd } of crds) {
      expect(crd.spec.versions.map(({ name, storage }) => [name, storage])).toEqual(versions[crd.spec.group]);
    }
  });

  it('are structural schemas: every part has a type, and no keyword that Kubernetes refuses', () => {
    const refused = new Set([
      'patternProperties',
      '$ref',
      'const',
      'definitions',
      'exclusiveMinimum:number',
      'additionalProperties:false',
    ]);
    const visit = (schema: unknown, path: string): void => {
      const entries = Object.entries(schema as Record<string, unknown>);
      expect(
        entries.map(([key]) => key),
        path,
      ).toContain('type');
      for (const [key, value] of entries) {
        expect(
          refused.has(key) || refused.has(`${key}:${typeof value}`) || refused.has(`${key}:${JSON.stringify(value)}`),
          `${path}.${key}`,
        ).toBe(false);
      }
      const {
        properties = {},
        items,
        additionalProperties,
      } = schema as { properties?: object; items?: unknown; additionalProperties?: unknown };
      for (const [name, child] of Object.entries(properties)) visit(child, `${path}.${name}`);
      if (items !== undefined) visit(items, `${path}[]`);
      if (additionalProperties !== undefined) visit(additionalProperties, `${path}{}`);
    };
    for (const { crd } of crds)
      for (const { schema } of crd.spec.versions) visit(schema.openAPIV3Schema, crd.metadata.name);
  });
});

describe('names of kinds', () => {
  it.each([
    ['vs', 'VirtualService'],
    ['virtualservices', 'VirtualService'],
    ['VirtualService', 'VirtualService'],
    ['destinationrules.networking.istio.io', 'DestinationRule'],
    ['DR', 'DestinationRule'],
    ['svc', 'Service'],
    ['services', 'Service'],
  ])('%s is %s', (name, kind) => {
    expect(findKindByAnyName(name)?.kind).toBe(kind);
  });

  it.each(['', 'pods', 'vs.example.com', 'virtualservicesx'])('%j is none', (name) => {
    expect(findKindByAnyName(name)).toBeUndefined();
  });

  it('are unambiguous', () => {
    const names = kinds.flatMap(({ kind, plural, shortNames }) => [kind.toLowerCase(), plural, ...shortNames]);
    expect(names).toHaveLength(new Set(names).size);
  });
});

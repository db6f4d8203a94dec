/** CustomResourceDefinitions, generated from the table of kinds: what a Kubernetes cluster needs to take the same files. */
import { dump } from 'js-yaml';
import { apiVersionOf, type Kind, kinds } from './kinds.ts';

/** File name → content, for every kind that Kubernetes does not have by itself. */
export function renderCrds(): Map<string, string> {
  const ours = kinds.filter(({ group }) => group !== '');
  return new Map(ours.map((kind) => [`${kind.plural}.${kind.group}.yaml`, renderCrd(kind)]));
}

function renderCrd(kind: Kind): string {
  const comment = '# Generated from crds/ by `npm run generate`; do not edit.\n';
  return comment + dump(customResourceDefinition(kind), { noRefs: true, lineWidth: 120 });
}

function customResourceDefinition({
  kind,
  group,
  versions,
  plural,
  shortNames,
  printerColumns,
  schema,
}: Kind): unknown {
  const [stored] = versions;
  const openApi = structuralSchema(schema);
  return {
    apiVersion: apiVersionOf({ group: 'apiextensions.k8s.io' }, 'v1'),
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase(), shortNames },
      scope: 'Namespaced',
      versions: versions.map((name) => ({
        name,
        served: true,
        storage: name === stored,
        additionalPrinterColumns: printerColumns.map(withoutDefaults),
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: openApi,
              status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
            },
            required: ['spec'],
          },
        },
        subresources: { status: {} },
      })),
    },
  };
}

function withoutDefaults({ priority, ...column }: Kind['printerColumns'][number]): unknown {
  return priority === 0 ? column : { ...column, priority };
}

/**
 * The schema in the form that Kubernetes calls structural: maps as additionalProperties, enums with a type, and no
 * `additionalProperties: false`, since there unknown fields are pruned or refused by fieldValidation.
 */
export function structuralSchema(schema: unknown): unknown {
  const { patternProperties, additionalProperties: _, properties, items, ...rest } = schema as JsonSchema;
  const enumType = rest['enum'] === undefined ? {} : { type: 'string' };
  const [values] = Object.values(patternProperties ?? {});
  return {
    ...enumType,
    ...rest,
    ...(properties === undefined ? {} : { properties: mapValues(properties, structuralSchema) }),
    ...(items === undefined ? {} : { items: structuralSchema(items) }),
    ...(values === undefined ? {} : { additionalProperties: structuralSchema(values) }),
    // OpenAPI v3.0, which Kubernetes follows, has exclusiveMinimum as a flag beside minimum.
    ...(rest['exclusiveMinimum'] === undefined ? {} : { minimum: rest['exclusiveMinimum'], exclusiveMinimum: true }),
  };
}

interface JsonSchema {
  readonly [keyword: string]: unknown;
  readonly patternProperties?: Readonly<Record<string, unknown>>;
  readonly additionalProperties?: unknown;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly items?: unknown;
}

function mapValues(
  record: Readonly<Record<string, unknown>>,
  map: (value: unknown) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

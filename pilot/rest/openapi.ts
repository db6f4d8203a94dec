/**
 * The API in OpenAPI v3, from the table of kinds: `kubectl apply` looks there for whether the server checks fields by itself,
 * `kubectl explain` for what they mean. Source: kubernetes.io, "The Kubernetes API", OpenAPI v3.
 */
import { structuralSchema } from '../../crds/crd-yaml.ts';
import { apiVersionOf, type Kind, kinds } from '../../crds/kinds.ts';
import type { Route } from './router.ts';
import { ApiError } from './status.ts';

export function openApiRoutes(version: string): Route[] {
  const answer = (group: string, groupVersion = ''): { readonly body: object } => ({
    body: documentOf(group, groupVersion, version),
  });
  return [
    { method: 'GET', pattern: '/openapi/v3', handle: () => ({ body: { paths: documentPaths() } }) },
    {
      method: 'GET',
      pattern: '/openapi/v3/api/{version}',
      handle: ({ params }) => answer('', params['version']),
    },
    {
      method: 'GET',
      pattern: '/openapi/v3/apis/{group}/{version}',
      handle: ({ params }) => answer(params['group'] ?? '', params['version']),
    },
  ];
}

function documentPaths(): object {
  const roots = new Set(kinds.flatMap((kind) => kind.versions.map((version) => rootOf(kind, version))));
  return Object.fromEntries([...roots].map((root) => [root, { serverRelativeURL: `/openapi/v3/${root}` }]));
}

/** `apis/networking.istio.io/v1`. */
function rootOf(kind: Pick<Kind, 'group'>, version: string): string {
  return `${kind.group === '' ? 'api' : 'apis'}/${apiVersionOf(kind, version)}`;
}

function documentOf(group: string, groupVersion: string, version: string): object {
  const present = kinds.filter((kind) => kind.group === group && kind.versions.includes(groupVersion));
  if (present.length === 0) {
    throw new ApiError('NotFound', `the server has no API ${apiVersionOf({ group }, groupVersion)}`);
  }
  return {
    openapi: '3.0.0',
    info: { title: 'Heddle', version },
    paths: Object.fromEntries(present.map((kind) => [pathOf(kind, groupVersion), pathItem(kind, groupVersion)])),
    components: {
      schemas: Object.fromEntries(
        present.map((kind) => [`${group || 'core'}.${groupVersion}.${kind.kind}`, schemaOf(kind, groupVersion)]),
      ),
    },
  };
}

function pathOf(kind: Kind, version: string): string {
  return `/${rootOf(kind, version)}/namespaces/{namespace}/${kind.plural}/{name}`;
}

/** Fields are always checked as with `Strict`: what is unknown is refused. */
function pathItem({ group, kind }: Kind, version: string): object {
  const query = (name: string): object => ({ name, in: 'query', schema: { type: 'string' } });
  const action = {
    parameters: [query('dryRun'), query('fieldManager'), query('fieldValidation')],
    responses: {},
    'x-kubernetes-group-version-kind': { group, version, kind },
  };
  return { put: action, patch: action };
}

function schemaOf({ group, kind, schema }: Kind, version: string): object {
  return {
    type: 'object',
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: structuralSchema(schema),
      status: { type: 'object' },
    },
    'x-kubernetes-group-version-kind': [{ group, version, kind }],
  };
}

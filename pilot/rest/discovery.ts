/** What the API offers, in Kubernetes' form: derived from the table of kinds. Source: k8s.io/apimachinery meta/v1. */
import { apiVersionOf, type Kind, kinds } from '../../crds/kinds.ts';
import { ApiError } from './status.ts';
import type { Route } from './router.ts';

const coreGroup = '';
const verbs = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'];
const statusVerbs = ['get', 'patch', 'update'];

/** `/version`, `/api`, `/apis` and the resource lists of every group and version. */
export function discoveryRoutes(version: string): Route[] {
  const [major = '0', minor = '0'] = version.split('.');
  const versionInfo = { major, minor, gitVersion: `v${version}`, platform: `${process.platform}/${process.arch}` };
  return [
    { method: 'GET', pattern: '/version', handle: () => ({ body: versionInfo }) },
    { method: 'GET', pattern: '/api', handle: () => ({ body: coreVersions() }) },
    {
      method: 'GET',
      pattern: '/api/{version}',
      handle: ({ params }) => ({ body: resourceList(coreGroup, params['version']) }),
    },
    { method: 'GET', pattern: '/apis', handle: () => ({ body: groupList() }) },
    { method: 'GET', pattern: '/apis/{group}', handle: ({ params }) => ({ body: oneGroup(params['group']) }) },
    {
      method: 'GET',
      pattern: '/apis/{group}/{version}',
      handle: ({ params }) => ({ body: resourceList(params['group'] ?? '', params['version']) }),
    },
  ];
}

function coreVersions(): unknown {
  const versions = [...new Set(kinds.filter(({ group }) => group === coreGroup).flatMap((kind) => kind.versions))];
  return { kind: 'APIVersions', versions, serverAddressByClientCIDRs: [] };
}

function groupList(): unknown {
  const groups = [...new Set(kinds.map(({ group }) => group))].filter((group) => group !== coreGroup);
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupOf) };
}

function oneGroup(name = ''): unknown {
  if (name === coreGroup || !kinds.some(({ group }) => group === name)) {
    throw new ApiError('NotFound', `the server has no API group ${name}`);
  }
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(name) };
}

function groupOf(name: string): {
  readonly name: string;
  readonly versions: readonly unknown[];
  readonly preferredVersion: unknown;
} {
  const names = [...new Set(kinds.filter(({ group }) => group === name).flatMap((kind) => kind.versions))];
  const versions = names.map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions, preferredVersion: versions[0] };
}

function resourceList(group: string, version = ''): unknown {
  const present = kinds.filter((kind) => kind.group === group && kind.versions.includes(version));
  if (present.length === 0) throw new ApiError('NotFound', `the server has no API ${apiVersionOf({ group }, version)}`);
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf({ group }, version),
    resources: [...present.flatMap(describe), ...(group === coreGroup ? [events] : [])],
  };
}

/** No kind of the store. */
const events = {
  name: 'events',
  singularName: 'event',
  namespaced: true,
  kind: 'Event',
  verbs: ['create', 'list'],
  shortNames: ['ev'],
};

function describe({ plural, kind, shortNames }: Kind): unknown[] {
  return [
    { name: plural, singularName: kind.toLowerCase(), namespaced: true, kind, verbs, shortNames },
    { name: `${plural}/status`, singularName: '', namespaced: true, kind, verbs: statusVerbs },
  ];
}

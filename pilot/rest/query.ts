/** Query parameters that Kubernetes knows. What would change the answer and is not there is refused, not ignored. */
import type { Resource } from '../../crds/resource.ts';
import { parseLabelSelector } from './label-selector.ts';
import { ApiError } from './status.ts';

const notYet = ['continue'];

/** For GET of a resource or a list. */
export function refuseUnsupportedQuery(query: URLSearchParams): void {
  for (const name of notYet) refuse(query, name);
}

/** For what is neither watched nor selected. */
export function refuseWatch(query: URLSearchParams): void {
  if (isWatch(query)) refuse(query, 'watch');
}

function refuse(query: URLSearchParams, name: string): void {
  if (query.get(name)) throw new ApiError('BadRequest', `query parameter ${name} is not supported yet`);
}

export function isWatch(query: URLSearchParams): boolean {
  const value = query.get('watch');
  return value !== null && !/^(?:false|0)?$/.test(value);
}

export interface FieldCondition {
  /** `metadata.name`. */
  readonly path: string;
  readonly value: string;
  readonly isEqual: boolean;
}

/** `metadata.name=x,type!=Normal`. */
export function parseFieldSelector(query: URLSearchParams): FieldCondition[] {
  return (query.get('fieldSelector') ?? '')
    .split(',')
    .filter((term) => term !== '')
    .map((term) => {
      const [, path = '', operator, value = ''] = /^([\w.]+)(==?|!=)(.*)$/.exec(term) ?? [];
      if (operator === undefined) throw new ApiError('BadRequest', `fieldSelector: ${JSON.stringify(term)} is no term`);
      return { path, value, isEqual: operator !== '!=' };
    });
}

/** Resources are selected by labels, and by name and namespace, as Kubernetes selects custom resources. */
export function resourceSelector(query: URLSearchParams): (resource: Resource) => boolean {
  const hasLabels = parseLabelSelector(query.get('labelSelector') ?? '');
  const conditions = parseFieldSelector(query);
  const unknown = conditions.find(({ path }) => path !== 'metadata.name' && path !== 'metadata.namespace');
  if (unknown !== undefined) {
    throw new ApiError(
      'BadRequest',
      `fieldSelector: ${unknown.path} is not supported, only metadata.name and metadata.namespace`,
    );
  }
  return ({ metadata: { name, namespace, labels } }) =>
    hasLabels(labels) &&
    conditions.every(
      ({ path, value, isEqual }) => ((path === 'metadata.name' ? name : namespace) === value) === isEqual,
    );
}

/** `dryRun=All`: judge, store nothing. */
export function isDryRun(query: URLSearchParams): boolean {
  const values = query.getAll('dryRun').filter((value) => value !== '');
  const unknown = values.find((value) => value !== 'All');
  if (unknown !== undefined) throw new ApiError('BadRequest', `dryRun must be All, got ${JSON.stringify(unknown)}`);
  return values.length > 0;
}

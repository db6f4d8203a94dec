/** Query parameters that Kubernetes knows. What would change the answer and is not there is refused, not ignored. */
import { ApiError } from './status.ts';

const notYet = ['watch', 'labelSelector', 'fieldSelector', 'continue'];

/** For GET of a resource or a list. */
export function refuseUnsupportedQuery(query: URLSearchParams): void {
  for (const name of notYet) {
    const value = query.get(name);
    const isUsed = value !== null && value !== '' && !(name === 'watch' && /^(?:false|0)$/.test(value));
    if (isUsed) throw new ApiError('BadRequest', `query parameter ${name} is not supported yet`);
  }
}

/** `dryRun=All`: judge, store nothing. */
export function isDryRun(query: URLSearchParams): boolean {
  const values = query.getAll('dryRun').filter((value) => value !== '');
  const unknown = values.find((value) => value !== 'All');
  if (unknown !== undefined) throw new ApiError('BadRequest', `dryRun must be All, got ${JSON.stringify(unknown)}`);
  return values.length > 0;
}

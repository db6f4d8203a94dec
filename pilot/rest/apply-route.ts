/** `POST /apply`: many resources as one transaction, all or none (semantics B3). What `heddle apply` calls. */
import type { ConfigStore } from '../../crds/config-store.ts';
import { formatFieldErrors } from '../../proxy/common/decoded.ts';
import type { Admission, AdmittedResource, IndexedError } from './admission.ts';
import { isDryRun } from './query.ts';
import type { ApiRequest, ApiResponse, Route } from './router.ts';
import { ApiError, causesOf } from './status.ts';
import { writtenVersion, type Writer } from './writer.ts';

/** The answer to a successful apply; `results` has one entry per resource of the request, in its order. */
export interface ApplyAnswer {
  /** The store's revision that holds the resources. */
  readonly revision: number;
  readonly results: readonly ApplyResult[];
  readonly warnings: readonly IndexedError[];
}

export interface ApplyResult {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly result: AdmittedResource['result'];
}

export function applyRoute(store: ConfigStore, writer: Writer): Route {
  return { method: 'POST', pattern: '/apply', handle: (request) => apply(request, store, writer) };
}

/** Body: a JSON list of resources. Query: `dryRun=All`, `namespace` for resources that name none. */
async function apply(request: ApiRequest, store: ConfigStore, writer: Writer): Promise<ApiResponse> {
  const { query } = request;
  const inputs = await request.readBody();
  if (!Array.isArray(inputs)) throw new ApiError('BadRequest', 'expected a JSON list of resources');
  const { admitted, warnings } = await writer.write({
    inputs: inputs as unknown[],
    defaultNamespace: query.get('namespace') ?? 'default',
    isDryRun: isDryRun(query),
    expectVersion: writtenVersion,
    refuse: (admission) => refusal(admission, inputs.length),
  });
  const answer: ApplyAnswer = { revision: store.revision, results: admitted.map(resultOf), warnings };
  return { body: answer };
}

function resultOf({ resource: { apiVersion, kind, metadata }, result }: AdmittedResource): ApplyResult {
  return { apiVersion, kind, namespace: metadata.namespace, name: metadata.name, result };
}

/** A Status whose `errors` say which resource of the list each fault belongs to. */
function refusal({ errors }: Admission, count: number): ApiError {
  const faulty = new Set(errors.map(({ index }) => index)).size;
  const message = `${faulty} of ${count} resources refused, nothing was stored:\n${formatFieldErrors(errors)}`;
  return new ApiError('Invalid', message, { causes: causesOf(errors) }, { errors });
}

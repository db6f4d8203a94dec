/** Reading and writing single resources, as Kubernetes does: get, list, watch, create, update, patch, delete. */
import type { ConfigStore } from '../../crds/config-store.ts';
import { apiVersionOf } from '../../crds/kinds.ts';
import type { Resource } from '../../crds/resource.ts';
import { mustNotExist } from '../../crds/resource-table.ts';
import { isUnknownField } from '../../crds/schema-errors.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import { formatFieldErrors } from '../../proxy/common/decoded.ts';
import type { Admission, IndexedError } from './admission.ts';
import { jsonPatch, jsonPatchType } from './json-patch.ts';
import { mergePatch, mergePatchType, strategicMergePatch, strategicMergePatchType } from './merge-patch.ts';
import { describe, detailsOf, expectPlace, keyAt, nameIn, notFound, type Place, placeOf, represent } from './place.ts';
import { isDryRun, isWatch, refuseUnsupportedQuery, refuseWatch, resourceSelector } from './query.ts';
import type { ApiRequest, ApiResponse, ApiStream, Route } from './router.ts';
import { ApiError, causesOf, success } from './status.ts';
import { patchStatus, putStatus, statusPatchOf } from './status-route.ts';
import { tableOf, wantsTable } from './table.ts';
import type { Watches, WatchOptions } from './watches.ts';
import { writtenVersion, type Writer } from './writer.ts';

export interface ResourceApiParts {
  readonly store: ConfigStore;
  readonly writer: Writer;
  readonly watches: Watches;
  readonly clock: Clock;
}

export function resourceRoutes(parts: ResourceApiParts): Route[] {
  const api = new ResourceApi(parts);
  return ['/api/{version}', '/apis/{group}/{version}'].flatMap((root): Route[] => {
    const collection = `${root}/namespaces/{namespace}/{plural}`;
    const item = `${collection}/{name}`;
    return [
      { method: 'GET', pattern: `${root}/{plural}`, handle: (request) => api.list(request) },
      { method: 'GET', pattern: collection, handle: (request) => api.list(request) },
      { method: 'POST', pattern: collection, handle: (request) => api.create(request) },
      { method: 'GET', pattern: item, handle: (request) => api.get(request) },
      { method: 'PUT', pattern: item, handle: (request) => api.update(request) },
      { method: 'PATCH', pattern: item, handle: (request) => api.patch(request) },
      { method: 'DELETE', pattern: item, handle: (request) => api.delete(request) },
      { method: 'GET', pattern: `${item}/status`, handle: (request) => api.get(request) },
      { method: 'PUT', pattern: `${item}/status`, handle: (request) => api.updateStatus(request) },
      { method: 'PATCH', pattern: `${item}/status`, handle: (request) => api.patchStatus(request) },
    ];
  });
}

class ResourceApi {
  readonly #store: ConfigStore;
  readonly #writer: Writer;
  readonly #watches: Watches;
  readonly #clock: Clock;

  constructor({ store, writer, watches, clock }: ResourceApiParts) {
    this.#store = store;
    this.#writer = writer;
    this.#watches = watches;
    this.#clock = clock;
  }

  get(request: ApiRequest): ApiResponse {
    refuseUnsupportedQuery(request.query);
    refuseWatch(request.query);
    const place = placeOf(request);
    const resource = represent(this.#require(place), place);
    return { body: wantsTable(request.accept) ? this.#table([resource], place) : resource };
  }

  list(request: ApiRequest): ApiResponse | ApiStream {
    refuseUnsupportedQuery(request.query);
    const place = placeOf(request);
    const { kind, version, namespace } = place;
    const isSelected = resourceSelector(request.query);
    const isWanted = (resource: Resource): boolean =>
      (namespace === '' || resource.metadata.namespace === namespace) && isSelected(resource);
    if (isWatch(request.query)) return this.#watch(request, place, isWanted);
    const items = this.#store.list(kind.kind).filter(isWanted);
    if (wantsTable(request.accept)) return { body: this.#table(items, place) };
    return {
      body: {
        kind: `${kind.kind}List`,
        apiVersion: apiVersionOf(kind, version),
        metadata: { resourceVersion: String(this.#store.revision) },
        items: items.map((item) => represent(item, place)),
      },
    };
  }

  async create(request: ApiRequest): Promise<ApiResponse> {
    const place = placeOf(request);
    const input = expectPlace(await request.readBody(), place);
    return await this.#write(request, { place, input, isCreate: true });
  }

  async update(request: ApiRequest): Promise<ApiResponse> {
    const place = placeOf(request);
    const input = expectPlace(await request.readBody(), place);
    return await this.#write(request, { place, input, isCreate: false });
  }

  /** Like Kubernetes, again when somebody else was faster, unless the patch names the version that it is for. */
  async patch(request: ApiRequest): Promise<ApiResponse> {
    const place = placeOf(request);
    const apply = patchOf(place, request.contentType, await request.readBody(...patchTypes(place)));
    for (let attempt = 1; ; attempt += 1) {
      const current = represent(this.#require(place), place);
      const input = expectPlace(apply(current), place);
      try {
        return await this.#write(request, { place, input, isCreate: false });
      } catch (error) {
        const isLost = this.#store.get(keyAt(place))?.metadata.resourceVersion !== current.metadata.resourceVersion;
        const isOwnVersion = versionIn(input) === current.metadata.resourceVersion;
        if (attempt >= maxPatchAttempts || !isLost || !isOwnVersion || !isConflict(error)) throw error;
      }
    }
  }

  async updateStatus(request: ApiRequest): Promise<ApiResponse> {
    const place = placeOf(request);
    const resource = await putStatus(await request.readBody(), keyAt(place), this.#writer);
    return { body: represent(resource, place) };
  }

  async patchStatus(request: ApiRequest): Promise<ApiResponse> {
    const place = placeOf(request);
    const patch = await request.readBody(mergePatchType, jsonPatchType);
    const apply = statusPatchOf(request.contentType, patch);
    const resource = await patchStatus(apply, keyAt(place), this.#writer);
    return { body: represent(resource, place) };
  }

  async delete(request: ApiRequest): Promise<ApiResponse> {
    const place = placeOf(request);
    const options = ((await request.readBody()) ?? {}) as { readonly preconditions?: Partial<Resource['metadata']> };
    const { metadata } = this.#require(place);
    const { uid, resourceVersion } = options.preconditions ?? {};
    if (uid !== undefined && uid !== metadata.uid) {
      throw new ApiError('Conflict', `${describe(place)} has uid ${metadata.uid}, not ${uid}`, detailsOf(place));
    }
    await this.#writer.delete({ key: keyAt(place), resourceVersion, isDryRun: isDryRun(request.query) });
    return { body: success({ ...detailsOf(place), uid: metadata.uid }) };
  }

  async #write(request: ApiRequest, { place, input, isCreate }: Writing): Promise<ApiResponse> {
    const dryRun = isDryRun(request.query);
    const { admitted, warnings } = await this.#writer.write({
      inputs: [input],
      defaultNamespace: place.namespace,
      isDryRun: dryRun,
      refuse: (admission) => refusal({ ...place, name: place.name || nameIn(input) }, admission),
      expectVersion: (resource) => {
        const named = { ...place, name: resource.resource.metadata.name };
        if (isCreate && resource.previous !== undefined) {
          throw new ApiError('AlreadyExists', `${describe(named)} already exists`, detailsOf(named));
        }
        if (!isCreate && resource.previous === undefined) throw notFound(named);
        return isCreate ? mustNotExist : writtenVersion(resource);
      },
    });
    const [written] = admitted;
    if (written === undefined) throw new ApiError('InternalError', 'nothing was written');
    const { metadata } = written.resource;
    const stored = this.#store.get({ kind: place.kind.kind, namespace: metadata.namespace, name: metadata.name });
    const body = dryRun || stored === undefined ? written.resource : stored;
    return { status: isCreate ? 201 : 200, body: represent(body, place), headers: warningHeaders(warnings) };
  }

  #watch({ query, accept }: ApiRequest, place: Place, isWanted: (resource: Resource) => boolean): ApiStream {
    const { kind, version } = place;
    const isTable = wantsTable(accept);
    const options: WatchOptions = {
      query,
      isWanted: (resource) => resource.kind === kind.kind && isWanted(resource),
      represent: (resource) => (isTable ? this.#table([resource], place) : represent(resource, place)),
      bookmark: (resourceVersion) =>
        isTable
          ? { ...this.#table([], place), metadata: { resourceVersion } }
          : { kind: kind.kind, apiVersion: apiVersionOf(kind, version), metadata: { resourceVersion } },
    };
    return { open: (response) => this.#watches.open(response, options) };
  }

  #table(resources: readonly Resource[], { kind }: Place): object {
    const resourceVersion = String(this.#store.revision);
    return tableOf(resources, kind, { resourceVersion, nowMs: this.#clock.nowMs() });
  }

  #require(place: Place): Resource {
    const resource = this.#store.get(keyAt(place));
    if (resource === undefined) throw notFound(place);
    return resource;
  }
}

/** kubectl has kinds of the core group built in, and patches them in another way. */
function patchTypes({ kind }: Place): readonly string[] {
  const always = [mergePatchType, jsonPatchType];
  return kind.group === '' ? [...always, strategicMergePatchType] : always;
}

/** Lists of a Service, by what tells their items apart. */
const mergeKeys = { ports: 'port' };

function patchOf(place: Place, type: string, patch: unknown): (current: Resource) => unknown {
  if (type === jsonPatchType) {
    if (Array.isArray(patch)) return (current) => jsonPatch(current, patch);
    throw new ApiError('BadRequest', 'expected a JSON patch, a list of operations');
  }
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) {
    throw new ApiError('BadRequest', `expected a patch of a ${place.kind.kind}, an object`);
  }
  if (type === strategicMergePatchType) return (current) => strategicMergePatch(current, patch, mergeKeys);
  return (current) => mergePatch(current, patch);
}

/** Kubernetes' number. */
const maxPatchAttempts = 5;

function isConflict(error: unknown): boolean {
  return error instanceof ApiError && error.status.reason === 'Conflict';
}

function versionIn(input: unknown): string | undefined {
  return (input as Partial<Resource>).metadata?.resourceVersion;
}

interface Writing {
  readonly place: Place;
  readonly input: unknown;
  readonly isCreate: boolean;
}

/** Unknown fields are a malformed request, wrong values an invalid resource: Kubernetes' 400 and 422. */
function refusal(place: Place, { errors }: Admission): ApiError {
  const details = { ...detailsOf(place), causes: causesOf(errors) };
  const unknown = errors.filter(isUnknownField);
  const text = formatFieldErrors(errors);
  if (unknown.length === 0)
    return new ApiError('Invalid', `${place.kind.kind} ${JSON.stringify(place.name)} is invalid: ${text}`, details);
  const fields = unknown.map(({ path, message }) =>
    message.replace('unknown field', `unknown field ${JSON.stringify(path)}`),
  );
  return new ApiError('BadRequest', `strict decoding error: ${fields.join(', ')}`, details);
}

/** RFC 7234 section 5.5, as kubectl prints them. Header values are ASCII. */
function warningHeaders(warnings: readonly IndexedError[]): { readonly warning: readonly string[] } {
  const quote = (text: string): string => JSON.stringify(text.replaceAll(/[^\x20-\x7e]/g, '?'));
  return { warning: warnings.map(({ path, message }) => `299 - ${quote(`${path}: ${message}`)}`) };
}

/** Reading and writing single resources, as Kubernetes does: get, list, create, update, delete. */
import type { ConfigStore } from '../../crds/config-store.ts';
import { apiVersionOf, type Kind, kinds } from '../../crds/kinds.ts';
import type { Resource } from '../../crds/resource.ts';
import { mustNotExist } from '../../crds/resource-table.ts';
import { isUnknownField } from '../../crds/schema-errors.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import { formatFieldErrors } from '../../proxy/common/decoded.ts';
import type { Admission, IndexedError } from './admission.ts';
import { isDryRun, refuseUnsupportedQuery } from './query.ts';
import type { ApiRequest, ApiResponse, Route } from './router.ts';
import { ApiError, causesOf, success } from './status.ts';
import { putStatus } from './status-route.ts';
import { tableOf, wantsTable } from './table.ts';
import { writtenVersion, type Writer } from './writer.ts';

/** The place that a path names. */
interface Place {
  readonly kind: Kind;
  /** One of the kind's; answers are written in it. */
  readonly version: string;
  /** Empty: all namespaces. */
  readonly namespace: string;
  /** Empty: the collection. */
  readonly name: string;
}

export function resourceRoutes(store: ConfigStore, writer: Writer, clock: Clock): Route[] {
  const api = new ResourceApi(store, writer, clock);
  return ['/api/{version}', '/apis/{group}/{version}'].flatMap((root): Route[] => {
    const collection = `${root}/namespaces/{namespace}/{plural}`;
    const item = `${collection}/{name}`;
    return [
      { method: 'GET', pattern: `${root}/{plural}`, handle: (request) => api.list(request) },
      { method: 'GET', pattern: collection, handle: (request) => api.list(request) },
      { method: 'POST', pattern: collection, handle: (request) => api.create(request) },
      { method: 'GET', pattern: item, handle: (request) => api.get(request) },
      { method: 'PUT', pattern: item, handle: (request) => api.update(request) },
      { method: 'DELETE', pattern: item, handle: (request) => api.delete(request) },
      { method: 'GET', pattern: `${item}/status`, handle: (request) => api.get(request) },
      { method: 'PUT', pattern: `${item}/status`, handle: (request) => api.updateStatus(request) },
    ];
  });
}

class ResourceApi {
  readonly #store: ConfigStore;
  readonly #writer: Writer;
  readonly #clock: Clock;

  constructor(store: ConfigStore, writer: Writer, clock: Clock) {
    this.#store = store;
    this.#writer = writer;
    this.#clock = clock;
  }

  get(request: ApiRequest): ApiResponse {
    refuseUnsupportedQuery(request.query);
    const place = placeOf(request);
    const resource = represent(this.#require(place), place);
    return { body: wantsTable(request.accept) ? this.#table([resource], place) : resource };
  }

  list(request: ApiRequest): ApiResponse {
    refuseUnsupportedQuery(request.query);
    const place = placeOf(request);
    const { kind, version, namespace } = place;
    const items = this.#store
      .list(kind.kind)
      .filter(({ metadata }) => namespace === '' || metadata.namespace === namespace);
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

  async updateStatus(request: ApiRequest): Promise<ApiResponse> {
    const place = placeOf(request);
    const { body } = await putStatus(request, keyAt(place), this.#writer);
    return { body: represent(body as Resource, place) };
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

interface Writing {
  readonly place: Place;
  readonly input: unknown;
  readonly isCreate: boolean;
}

function placeOf({ params }: ApiRequest): Place {
  const { group = '', version = '', plural = '', namespace = '', name = '' } = params;
  const kind = kinds.find((row) => row.group === group && row.plural === plural && row.versions.includes(version));
  if (kind !== undefined) return { kind, version, namespace, name };
  throw new ApiError('NotFound', `the server has no resource ${plural} in ${apiVersionOf({ group }, version)}`);
}

/** The body, when it is the resource that the path names. */
function expectPlace(body: unknown, { kind, version, namespace, name }: Place): unknown {
  if (body === undefined) throw new ApiError('BadRequest', `expected a ${kind.kind}, got an empty body`);
  const { apiVersion, kind: writtenKind, metadata } = (body ?? {}) as Partial<Resource>;
  const pairs = [
    ['apiVersion', apiVersion, apiVersionOf(kind, version)],
    ['kind', writtenKind, kind.kind],
    ['metadata.namespace', metadata?.namespace ?? namespace, namespace],
    ['metadata.name', name === '' ? name : metadata?.name, name],
  ] as const;
  for (const [path, got, expected] of pairs) {
    if (got === expected) continue;
    throw new ApiError(
      'BadRequest',
      `${path} must be ${expected} as in the path, got ${JSON.stringify(got) ?? 'nothing'}`,
    );
  }
  return body;
}

function nameIn(input: unknown): string {
  const name = (input as Partial<Resource>).metadata?.name;
  return typeof name === 'string' ? name : '';
}

function keyAt({ kind, namespace, name }: Place): { kind: string; namespace: string; name: string } {
  return { kind: kind.kind, namespace, name };
}

function describe({ kind, name }: Place): string {
  return `${kind.plural}${kind.group === '' ? '' : `.${kind.group}`} "${name}"`;
}

function detailsOf({ kind, name }: Place): { name: string; group: string; kind: string } {
  return { name, group: kind.group, kind: kind.plural };
}

function notFound(place: Place): ApiError {
  return new ApiError('NotFound', `${describe(place)} not found`, detailsOf(place));
}

/** A resource in the version that was asked for. */
function represent<R extends Pick<Resource, 'apiVersion'>>(resource: R, { kind, version }: Place): R {
  return { ...resource, apiVersion: apiVersionOf(kind, version) };
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

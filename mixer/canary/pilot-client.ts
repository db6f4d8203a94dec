/** Pilot's REST API, as far as a release needs it: Kubernetes' paths, so that another API server of that kind would do. */
import { Agent, type Dispatcher, request } from 'undici';
import { apiVersionOf, findKind } from '../../crds/kinds.ts';
import type { Resource } from '../../crds/resource.ts';

export interface ResourceList {
  readonly resourceVersion: string;
  readonly items: readonly Resource[];
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: Resource;
}

/** The API answered, and not with what was asked for. */
export class PilotError extends Error {
  override readonly name = 'PilotError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The port behind which pilot stands; all calls reject with PilotError, or with whatever the network says. */
export interface PilotApi {
  list(kind: string): Promise<ResourceList>;
  /** Changes after `resourceVersion`, until the server or `signal` ends it. */
  watch(kind: string, resourceVersion: string, signal: AbortSignal): AsyncIterable<WatchEvent>;
  get(kind: string, namespace: string, name: string): Promise<Resource>;
  /** Writes `status` alone, if the resource still has the version that it names; 409 otherwise. */
  putStatus(resource: Resource): Promise<Resource>;
  /**
   * Versions (the label) of what serves a service of this full name now, one for each; undefined where nobody can know: a
   * request itself says where it goes, or the control plane does not tell.
   */
  versionsOf(host: string): Promise<readonly string[] | undefined>;
  /** A core/v1 Event. */
  postEvent(namespace: string, event: object): Promise<void>;
}

const callTimeoutMs = 5000;
/** The server ends a watch after this time; one that is silent for longer is dead. */
const watchSeconds = 60;
const watchSilenceMs = 90_000;
const maxLineLength = 4 * 1024 * 1024;

export class PilotClient implements PilotApi {
  readonly #url: string;
  readonly #agent = new Agent({ connections: 32, connect: { timeout: callTimeoutMs } });

  /** `url`: of the API, `http://127.0.0.1:15080`. */
  constructor(url: string) {
    this.#url = url.replace(/\/+$/, '');
  }

  async list(kind: string): Promise<ResourceList> {
    const list = (await this.#call('GET', pathOf(kind))) as {
      readonly metadata?: { readonly resourceVersion?: string };
      readonly items?: readonly Resource[];
    };
    return { resourceVersion: list.metadata?.resourceVersion ?? '', items: list.items ?? [] };
  }

  async *watch(
    kind: string,
    resourceVersion: string,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent, void, undefined> {
    const query = `watch=true&allowWatchBookmarks=true&timeoutSeconds=${watchSeconds}&resourceVersion=${resourceVersion}`;
    const response = await request(`${this.#url}${pathOf(kind)}?${query}`, {
      dispatcher: this.#agent,
      signal,
      headersTimeout: callTimeoutMs,
      bodyTimeout: watchSilenceMs,
    });
    if (response.statusCode !== 200) throw await errorOf(response);
    for await (const line of linesOf(response.body)) yield JSON.parse(line) as WatchEvent;
  }

  async get(kind: string, namespace: string, name: string): Promise<Resource> {
    return (await this.#call('GET', pathOf(kind, namespace, name))) as Resource;
  }

  async putStatus(resource: Resource): Promise<Resource> {
    const { namespace, name } = resource.metadata;
    return (await this.#call('PUT', `${pathOf(resource.kind, namespace, name)}/status`, resource)) as Resource;
  }

  async versionsOf(host: string): Promise<readonly string[] | undefined> {
    const path = `/debug/endpointz?service=${encodeURIComponent(host)}`;
    const answer = await this.#call('GET', path).catch((error: unknown) => {
      if (error instanceof PilotError && error.status === 404) return {};
      throw error;
    });
    const { endpoints } = answer as {
      readonly endpoints?: readonly { readonly labels?: { readonly version?: string } }[];
    };
    return endpoints?.map(({ labels }) => labels?.version ?? '');
  }

  async postEvent(namespace: string, event: object): Promise<void> {
    await this.#call('POST', `/api/v1/namespaces/${encodeURIComponent(namespace)}/events`, event);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #call(method: 'GET' | 'POST' | 'PUT', path: string, body?: object): Promise<unknown> {
    const response = await request(`${this.#url}${path}`, {
      method,
      dispatcher: this.#agent,
      signal: AbortSignal.timeout(callTimeoutMs),
      headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: body === undefined ? null : JSON.stringify(body),
    });
    if (response.statusCode >= 300) throw await errorOf(response);
    return await response.body.json();
  }
}

async function errorOf({ statusCode, body }: Dispatcher.ResponseData): Promise<PilotError> {
  const text = await body.text();
  const message = /"message":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1];
  return new PilotError(statusCode, message ?? `pilot answered with HTTP status ${statusCode}`);
}

/** Path of a resource, or of all resources of a kind. */
function pathOf(kindName: string, namespace?: string, name?: string): string {
  const kind = findKind(kindName);
  if (kind === undefined) throw new Error(`no kind ${kindName}`);
  const version = apiVersionOf(kind, kind.versions[0]);
  const root = kind.group === '' ? `/api/${version}` : `/apis/${version}`;
  const scope = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${scope}/${kind.plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

async function* linesOf(body: AsyncIterable<Buffer>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > maxLineLength)
      throw new PilotError(200, `a line of the watch has more than ${maxLineLength} characters`);
    for (const line of lines) if (line.trim() !== '') yield line;
  }
}

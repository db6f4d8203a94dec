/** A REST server on a free port over a memory store, and short ways to call it. */
import { request } from 'undici';
import type { ConfigStore } from '../../../crds/config-store.ts';
import { MemoryStore } from '../../../crds/memory-store.ts';
import { silentLogger } from '../../../proxy/common/log.ts';
import { RestServer, type RestServerOptions } from '../../../pilot/rest/rest-server.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** Undefined when the answer is no JSON. */
  readonly body: unknown;
}

export interface TestApi {
  readonly store: ConfigStore;
  readonly server: RestServer;
  call(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH',
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  close(): Promise<void>;
}

export async function startApi(options: Partial<RestServerOptions> = {}): Promise<TestApi> {
  const store = options.store ?? new MemoryStore();
  await store.open();
  const server = new RestServer({ port: 0, host: '127.0.0.1', logger: silentLogger, ...options, store });
  await server.start();
  return {
    store,
    server,
    async call(method, path, body, headers = {}) {
      const content = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
      const response = await request(`http://127.0.0.1:${server.port}${path}`, {
        method,
        headers: { ...(content === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(content === undefined ? {} : { body: content }),
      });
      const text = await response.body.text();
      const isJson = String(response.headers['content-type']).startsWith('application/json');
      return {
        status: response.statusCode,
        headers: response.headers,
        text,
        body: isJson ? (JSON.parse(text) as unknown) : undefined,
      };
    },
    async close() {
      await server.close();
      await store.close();
    },
  };
}

export const networking = '/apis/networking.istio.io/v1/namespaces/default';

export function virtualService(name: string, spec: object = {}, metadata: object = {}): object {
  const http = [{ route: [{ destination: { host: name } }] }];
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name, ...metadata },
    spec: { hosts: [name], http, ...spec },
  };
}

export function destinationRule(name: string, subsets: readonly string[]): object {
  const spec = { host: name, subsets: subsets.map((subset) => ({ name: subset, labels: { version: subset } })) };
  return { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRule', metadata: { name }, spec };
}

export function service(name: string, port = 80): object {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ port }] } };
}

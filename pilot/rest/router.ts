/** Which handler answers a request: a table of methods and path patterns. */
import type { ServerResponse } from 'node:http';
import { ApiError } from './status.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface ApiRequest {
  /** What stood for `{name}` in the pattern, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The header of this name; empty without. */
  readonly accept: string;
  /** The media type of the body, in lower case without parameters; empty without. */
  readonly contentType: string;
  /**
   * Reads and decodes the JSON body; undefined when it is empty. Rejects with ApiError, also when it is of another media type
   * than these; default `application/json`.
   */
  readBody(...mediaTypes: readonly string[]): Promise<unknown>;
}

export interface ApiResponse {
  readonly status?: number;
  /** An object is sent as JSON, a string as plain text. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

/** An answer that goes on. `open` owns the response, unless it throws before it has written anything. */
export interface ApiStream {
  readonly open: (response: ServerResponse) => void;
}

export type Handler = (request: ApiRequest) => ApiResponse | ApiStream | Promise<ApiResponse>;

export interface Route {
  readonly method: Method;
  /** `/apis/{group}/{version}`: each part in braces stands for one segment. */
  readonly pattern: string;
  readonly handle: Handler;
}

interface CompiledRoute {
  readonly route: Route;
  readonly segments: readonly string[];
}

export interface RouteMatch {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

export class Router {
  readonly #routes: readonly CompiledRoute[];

  constructor(routes: readonly Route[]) {
    this.#routes = routes.map((route) => ({ route, segments: route.pattern.split('/') }));
  }

  /** The first route that fits. Throws NotFound or MethodNotAllowed. */
  find(method: string, path: string): RouteMatch {
    const segments = path.split('/').map(decodeSegment);
    const fitting = this.#routes.flatMap(({ route, segments: pattern }) => {
      const params = matchSegments(pattern, segments);
      return params === undefined ? [] : [{ route, params }];
    });
    const match = fitting.find(({ route }) => route.method === method);
    if (match !== undefined) return match;
    if (fitting.length === 0) throw new ApiError('NotFound', `the server has no resource at ${path}`);
    const methods = fitting.map(({ route }) => route.method).join(', ');
    throw new ApiError('MethodNotAllowed', `${method} is not supported at ${path}, only ${methods}`);
  }
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new ApiError('BadRequest', `the path holds a broken escape: ${segment}`);
  }
}

function matchSegments(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, part] of pattern.entries()) {
    const segment = segments[index] ?? '';
    if (part.startsWith('{') && segment !== '') params[part.slice(1, -1)] = segment;
    else if (part !== segment) return undefined;
  }
  return params;
}

/** Pilot's REST API as the commands see it. */
import { Option } from 'commander';
import { Agent, errors, request } from 'undici';
import type { CommandContext } from './context.ts';
import { CommandError, exitCodes } from './exit-code.ts';
import { parseServer } from './option-parsers.ts';

const defaultServer = 'http://127.0.0.1:15080';

export function serverOption(): Option {
  const description = `address of pilot's API (default: HEDDLE_SERVER, else ${defaultServer})`;
  return new Option('--server <url>', description).argParser(parseServer);
}

/** A client of `--server`, else of HEDDLE_SERVER, else of pilot on this machine. */
export function openApi({ server }: { readonly server?: string }, { env }: CommandContext): ApiClient {
  const fromEnv = env['HEDDLE_SERVER'] || defaultServer;
  try {
    return new ApiClient(server ?? parseServer(fromEnv));
  } catch {
    throw new CommandError(`HEDDLE_SERVER must be a URL like ${defaultServer}, got "${fromEnv}"`, exitCodes.usage);
  }
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

export interface ApiResponse {
  readonly status: number;
  /** The decoded JSON body; undefined when the body is empty. */
  readonly body: unknown;
}

/** Time for a connection, and for each part of an answer: a person is waiting. */
const connectTimeoutMs = 3000;
const answerTimeoutMs = 15_000;

export class ApiClient {
  readonly #server: string;
  readonly #agent = new Agent({
    connect: { timeout: connectTimeoutMs },
    headersTimeout: answerTimeoutMs,
    bodyTimeout: answerTimeoutMs,
  });

  constructor(server: string) {
    this.#server = server;
  }

  /** Any status is an answer; CommandError with exit code 3 when there is none. */
  async call(method: Method, path: string, body?: unknown): Promise<ApiResponse> {
    try {
      const response = await request(`${this.#server}${path}`, {
        method,
        dispatcher: this.#agent,
        headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.body.text();
      return { status: response.statusCode, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Like `call`, for requests that only succeed or fail: the error carries the server's sentence. */
  async require(method: Method, path: string, body?: unknown): Promise<unknown> {
    const response = await this.call(method, path, body);
    if (response.status < 300) return response.body;
    throw new CommandError(statusMessage(response));
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }

  #explain(error: unknown): CommandError {
    if (error instanceof SyntaxError) {
      return new CommandError(
        `${this.#server} does not answer like pilot's API: its answer is not JSON`,
        exitCodes.unreachable,
      );
    }
    const reason = error instanceof Error ? describeNetworkError(error) : String(error);
    return new CommandError(
      `pilot's API at ${this.#server} cannot be reached: ${reason}. Is "heddle up" running there?`,
      exitCodes.unreachable,
    );
  }
}

function describeNetworkError(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED') return 'connection refused';
  if (code === 'ENOTFOUND') return 'unknown host';
  if (error instanceof errors.ConnectTimeoutError) return `no connection within ${connectTimeoutMs / 1000} s`;
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) {
    return `no answer within ${answerTimeoutMs / 1000} s`;
  }
  return error.message;
}

/** The `message` of a Kubernetes Status, else the bare HTTP status. */
export function statusMessage({ status, body }: ApiResponse): string {
  const message = typeof body === 'object' && body !== null && 'message' in body ? body.message : undefined;
  return typeof message === 'string' ? message : `pilot answered with HTTP status ${status}`;
}

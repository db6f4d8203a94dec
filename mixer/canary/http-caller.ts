/** Calls to servers that may hang, lie or never stop talking: each is bounded in time, size and redirects. */
import { Agent, type Dispatcher, request } from 'undici';

export interface HttpCall {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** For the whole call, redirects included. */
  readonly timeoutMs: number;
}

/** An answer, or one sentence about why there is none. */
export type HttpAnswer =
  | { readonly status: number; readonly text: string; readonly fault?: undefined }
  | { readonly fault: string };

export interface HttpCaller {
  call(call: HttpCall): Promise<HttpAnswer>;
  close(): Promise<void>;
}

const maxResponseBytes = 64 * 1024;
const maxRedirects = 3;

/** An HttpCaller over sockets. Follows what keeps method and body (307, 308), three times at most. */
export function createHttpCaller(): HttpCaller {
  const agent = new Agent({ connections: 16, maxHeaderSize: 16 * 1024 });
  return {
    call: (call) => callBounded(agent, call),
    close: () => agent.destroy(),
  };
}

async function callBounded(agent: Agent, call: HttpCall): Promise<HttpAnswer> {
  const signal = AbortSignal.timeout(call.timeoutMs);
  try {
    return await follow(agent, call, signal);
  } catch (error) {
    if (signal.aborted) return { fault: `no answer from ${call.url} within ${call.timeoutMs} ms` };
    return { fault: `${call.url} cannot be called: ${error instanceof Error ? error.message : String(error)}` };
  }
}

async function follow(agent: Agent, call: HttpCall, signal: AbortSignal): Promise<HttpAnswer> {
  let url = call.url;
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    const { method, headers = {}, body } = call;
    const options = { method, headers, body: body ?? null, dispatcher: agent, signal };
    const response = await request(url, options);
    const location = response.headers['location'];
    if (![307, 308].includes(response.statusCode) || typeof location !== 'string') return await readAnswer(response);
    response.body.on('error', () => {}).destroy();
    const next = URL.canParse(location, url) ? new URL(location, url) : undefined;
    if (next === undefined || !/^https?:$/.test(next.protocol)) return { fault: `${url} redirects to no URL` };
    url = next.href;
  }
  return { fault: `${call.url} redirects more than ${maxRedirects} times` };
}

async function readAnswer({ statusCode, body }: Dispatcher.ResponseData): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxResponseBytes) return { fault: `the answer has more than ${maxResponseBytes} bytes` };
    chunks.push(chunk);
  }
  return { status: statusCode, text: Buffer.concat(chunks).toString('utf8') };
}

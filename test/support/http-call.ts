/** One HTTP/1.1 request on a connection of its own, by Node's client: an implementation that is not ours. */
import http from 'node:http';

export interface Call {
  readonly method?: string;
  readonly path?: string;
  /** Becomes the Host header. */
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string | Buffer;
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** Rejects when the connection fails or the response breaks off. */
export function call(port: number, { method = 'GET', path = '/', host = 'test', ...rest }: Call = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { host, ...rest.headers } as http.OutgoingHttpHeaders;
    const request = http.request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      );
    });
    request.on('error', reject);
    request.end(rest.body);
  });
}

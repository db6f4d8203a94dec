/** The part of http-proxy 1.18 that the benchmark uses: the package ships no types. */
declare module 'http-proxy' {
  import type { Agent, IncomingMessage, ServerResponse } from 'node:http';
  import type { Socket } from 'node:net';

  interface ProxyServer {
    on(
      event: 'error',
      listener: (error: Error, request: IncomingMessage, response: ServerResponse | Socket) => void,
    ): this;
    listen(port: number, host: string): this;
  }

  const httpProxy: { createProxyServer(options: { target: string; agent?: Agent }): ProxyServer };
  export default httpProxy;
}

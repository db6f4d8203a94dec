/** `node http-proxy-proxy.js PORT BACKEND_PORT [keep-alive]`: the proxy that most people write in Node. */
import { Agent, ServerResponse } from 'node:http';
import httpProxy from 'http-proxy';

const [port, backendPort, connections] = process.argv.slice(2);
const target = `http://127.0.0.1:${backendPort}`;

httpProxy
  .createProxyServer(connections === 'keep-alive' ? { target, agent: new Agent({ keepAlive: true }) } : { target })
  .on('error', (_error, _request, response) => {
    if (response instanceof ServerResponse) response.writeHead(502);
    response.end();
  })
  .listen(Number(port), '127.0.0.1');

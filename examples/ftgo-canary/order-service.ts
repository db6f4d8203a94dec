/**
 * The order service of a food-delivery shop: GET /orders/ID. It asks the consumer service who ordered, and it asks by
 * name: which version answers is decided by its sidecar. Usage: node order-service.js, port in PORT.
 */
import { Agent, createServer, get, type IncomingMessage } from 'node:http';

const port = Number(process.env['PORT'] ?? 8080);
const outbound = new URL(process.env['HEDDLE_OUTBOUND'] ?? 'http://127.0.0.1:15001');
const agent = new Agent({ keepAlive: true });

/** Headers that belong to the user's request as a whole and travel on with every call made for it. */
const passedOn = ['testuser', 'x-request-id', 'traceparent'];

const server = createServer((request, response) => {
  void answer(request).then(({ status, version, body }) => {
    response.writeHead(status, { 'content-type': 'application/json', 'x-consumer-version': version });
    response.end(JSON.stringify(body));
  });
});

interface Answer {
  readonly status: number;
  readonly version: string;
  readonly body: unknown;
}

async function answer(request: IncomingMessage): Promise<Answer> {
  const id = /^\/orders\/(\w+)$/.exec(request.url ?? '')?.[1];
  if (request.method !== 'GET' || id === undefined) {
    return { status: 404, version: 'none', body: { error: 'there is only GET /orders/ID' } };
  }
  try {
    const { status, version, body } = await fetchConsumer(id, request);
    if (status !== 200) return { status: 502, version, body: { error: `the consumer service answered ${status}` } };
    return { status, version, body: { id, consumer: body } };
  } catch (error) {
    return { status: 502, version: 'none', body: { error: String(error) } };
  }
}

/** GET http://ftgo-consumer-service/consumers/ID through the sidecar, which knows the way by the Host header. */
function fetchConsumer(id: string, { headers }: IncomingMessage): Promise<Answer> {
  const own = passedOn.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]]));
  const options = {
    agent,
    host: outbound.hostname,
    port: outbound.port,
    path: `/consumers/${id}`,
    headers: { ...Object.fromEntries(own), host: 'ftgo-consumer-service' },
  };
  return new Promise((resolve, reject) => {
    get(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => (text += part));
      response.on('error', reject);
      response.on('end', () => {
        const version = String(response.headers['x-version'] ?? 'none');
        const status = response.statusCode ?? 0;
        resolve({ status, version, body: status === 200 ? JSON.parse(text) : text });
      });
    }).on('error', reject);
  });
}

server.listen(port, '127.0.0.1', () => process.stdout.write(`order service listens on ${port}\n`));

process.on('SIGTERM', () => server.close());

/**
 * The consumer service of a food-delivery shop: GET /consumers/ID. Version v2 also tells the consumer's loyalty points.
 * Usage: node consumer-service.js v1|v2, port in PORT.
 */
import { createServer } from 'node:http';

const version = process.argv[2] ?? 'v1';
const port = Number(process.env['PORT'] ?? 8081);

const server = createServer((request, response) => {
  const id = /^\/consumers\/(\w+)$/.exec(request.url ?? '')?.[1];
  response.setHeader('content-type', 'application/json');
  response.setHeader('x-version', version);
  if (request.method !== 'GET' || id === undefined) {
    response.writeHead(404).end(JSON.stringify({ error: 'there is only GET /consumers/ID', version }));
    return;
  }
  const consumer = { id, name: `Consumer ${id}`, version };
  response.end(JSON.stringify(version === 'v2' ? { ...consumer, loyaltyPoints: id.length * 10 } : consumer));
});

server.listen(port, '127.0.0.1', () => process.stdout.write(`consumer service ${version} listens on ${port}\n`));

process.on('SIGTERM', () => server.close());

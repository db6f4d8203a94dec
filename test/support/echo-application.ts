/**
 * An application for tests of whole processes: node echo-application.js VERSION [DELAY_MS [FAIL_EVERY]], port in PORT.
 * Says which version it is and what it was asked, and fails every FAIL_EVERYth time; `/drip` answers a line at once and another one every 50 ms, `/late` answers after
 * 300 ms, and a WebSocket has its messages back with the version in front. It listens DELAY_MS after its start, and at SIGUSR2 no more, though it lives on.
 */
import { createServer, type ServerResponse } from 'node:http';
import { WebSocketServer } from 'ws';

const version = process.argv[2] ?? 'v1';
const delayMs = Number(process.argv[3] ?? 0);
const failEvery = Number(process.argv[4] ?? 0);
const port = Number(process.env['PORT'] ?? 0);
let answered = 0;

const server = createServer((request, response) => {
  response.setHeader('x-version', version);
  answered += 1;
  if (failEvery > 0 && answered % failEvery === 0) response.statusCode = 500;
  if (request.url === '/drip') return drip(response);
  const { method, url, headers } = request;
  const answer = (): void => void response.end(JSON.stringify({ version, pid: process.pid, method, url, headers }));
  request.resume().on('end', () => (url === '/late' ? setTimeout(answer, 300) : answer()));
});

new WebSocketServer({ server }).on('connection', (socket) => {
  socket.on('message', (data: Buffer) => socket.send(`${version} ${data.toString()}`));
});

function drip(response: ServerResponse): void {
  const write = (): void => void response.write(`${version}\n`);
  const timer = setInterval(write, 50);
  response.on('close', () => clearInterval(timer));
  write();
}

setTimeout(() => {
  server.listen(port, '127.0.0.1', () => {
    process.stdout.write(`echo ${version} listens on ${port} pid ${process.pid}\n`);
  });
}, delayMs);

function stopListening(onEnd?: () => void): void {
  server.close(onEnd);
  server.closeIdleConnections();
}

process.on('SIGTERM', () => stopListening(() => process.exit(0)));
process.on('SIGUSR2', () => {
  stopListening();
  setInterval(() => {}, 1000);
});

/** One proxy of a feature's bootstrap, driven through its codec without sockets. */
import { readBootstrap } from '../../proxy/bootstrap.ts';
import { requireValue } from '../../proxy/common/decoded.ts';
import { silentLogger } from '../../proxy/common/log.ts';
import { deliver, settle } from '../../proxy/common/turn.ts';
import { ActiveListener } from '../../proxy/listener/active-listener.ts';
import { ProxyServer } from '../../proxy/server.ts';
import { requestHeader } from '../features/table.ts';
import { serviceHost } from '../load.ts';
import { type HopParts, hopBootstrap } from '../peers/hop-bootstrap.ts';
import { StubConnection, stubFacts, StubSocket } from './stubs.ts';

/** Nothing listens there and nobody connects. */
export const nowhere = { port: 0, backend: { ports: [2, 3] }, quotaPort: 4 } as const;

const request = Buffer.from(`GET /100 HTTP/1.1\r\nHost: ${serviceHost}\r\n${requestHeader}\r\n\r\n`);
/** A mirrored or traced request needs a connection of its own meanwhile. */
const connectionsPerHost = 4;

export interface Pipeline {
  /** One request and its response. */
  readonly exchange: () => void;
  readonly close: () => Promise<void>;
}

/** Rejects when a request would not be answered with 200. */
export async function startPipeline(parts: HopParts): Promise<Pipeline> {
  const bootstrap = requireValue(readBootstrap(hopBootstrap(nowhere, parts), 'bench'), 'bench');
  const server = new ProxyServer(bootstrap, { logger: silentLogger });
  await server.start();
  const listener = server.listeners.list().find((each) => each instanceof ActiveListener);
  const asked: StubConnection[] = [];
  for (const host of server.clusters.list().flatMap(({ hosts }) => hosts)) {
    for (let i = 0; i < connectionsPerHost; i++) host.pool.putIdle(new StubConnection(host, asked).asConnection());
  }
  const socket = new StubSocket();
  const connection = listener?.serve(socket.asSocket(), stubFacts)?.handler;
  if (connection === undefined) throw new Error('the bootstrap has no listener');
  const exchange = (): void => {
    deliver(socket.asSocket(), connection, request, request.length);
    settle();
    for (let next = asked.pop(); next !== undefined; next = asked.pop()) next.answer();
  };
  exchange();
  if (!socket.written.startsWith('HTTP/1.1 200 ')) throw new Error(`answers ${JSON.stringify(socket.written)}`);
  return { exchange, close: () => server.close() };
}

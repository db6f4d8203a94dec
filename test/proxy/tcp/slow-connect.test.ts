/** Clients that speak before their server is reached: here one whose queue of connections is full. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, type TestContext } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { staticCluster, tcpListener } from '../../support/envoy-json.ts';
import { requirePeers } from '../../support/peers.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { RawClient } from '../../support/raw-client.ts';
import { until } from '../../support/turns.ts';
import { unusedPort } from '../../support/unused-port.ts';

/** Listens and accepts nothing until a line comes; then tells what the third connection said. */
const program = `
import socket, sys
server = socket.create_server(('127.0.0.1', int(sys.argv[1])), backlog=0)
print('listens', flush=True)
sys.stdin.readline()
while True:
    connection = server.accept()[0]
    read, count = connection.recv(65536), 0
    while read:
        count += len(read)
        read = connection.recv(65536)
    if count: print(count, flush=True)
    connection.close()
`;

interface Stage {
  readonly proxy: ProxyParts;
  readonly client: RawClient;
  /** The server accepts from now on; resolves with how much the client of the proxy has said to it. */
  readonly accept: () => Promise<number>;
}

async function setStage(context: TestContext): Promise<Stage> {
  requirePeers(context, 'python3');
  // Nobody else must call here: whoever comes is one of three.
  const port = await unusedPort();
  const server = spawn('python3', ['-c', program, String(port)], { stdio: ['pipe', 'pipe', 'inherit'] });
  closeAfterTest({ close: () => void server.kill() });
  await once(server.stdout, 'data');
  const filler = net.connect(port, '127.0.0.1').on('error', () => {});
  closeAfterTest({ close: () => void filler.destroy() });
  await once(filler, 'connect');
  const proxy = await closeAfterTest(
    new ProxyParts({
      clusters: [staticCluster('full', [port], { connect_timeout: '20s' })],
      listeners: [tcpListener({ proxy: { cluster: 'full' } })],
    }),
  ).start();
  const client = closeAfterTest(await RawClient.connect(proxy.port('tcp')));
  await until(() => proxy.stat('cluster.full.upstream_cx_total') === 1);
  const accept = async (): Promise<number> => {
    filler.end();
    server.stdin.write('\n');
    const [line] = (await once(server.stdout, 'data')) as [Buffer];
    return Number(line.toString());
  };
  return { proxy, client, accept };
}

describe('a client whose server is not reached yet', () => {
  test('is heard when it breaks off after its first words, and nobody is called for it any more', async (context) => {
    const { proxy, client } = await setStage(context);
    client.socket.write('hello');
    await until(() => client.socket.bytesWritten === 5);
    client.socket.resetAndDestroy();
    await until(() => proxy.connections.length === 1);
    expect(proxy.connections[0]).toMatchObject({ responseFlags: 'DC', requestBytes: 0 });
    await until(() => proxy.stat('cluster.full.upstream_cx_active') === 0);
  });

  test('is not read from without end, and its server gets every byte in the end', async (context) => {
    const { client, accept } = await setStage(context);
    const length = 64 * 1_024 * 1_024;
    client.socket.write(Buffer.alloc(length));
    client.end();
    // Read without end, they would be gone after a tenth of that.
    await sleep(500);
    expect(client.socket.writableLength).toBeGreaterThan(0);
    expect(await accept()).toBe(length);
  });
});

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Bootstrap } from '../../proxy/api/envoy.gen.ts';
import { adsBootstrapText } from '../support/ads-bootstrap.ts';
import { Backend } from '../support/backend.ts';
import { closeAfterTest } from '../support/closing.ts';
import { fileAccessLog, httpListener, routeConfiguration, routeTo, staticCluster } from '../support/envoy-json.ts';
import { call } from '../support/http-call.ts';
import { compiled } from '../support/mesh.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { until } from '../support/turns.ts';
import { unusedPort } from '../support/unused-port.ts';

interface RunningProcess {
  readonly child: ChildProcess;
  readonly port: number;
  readonly adminPort: number;
  readonly backend: Backend;
  /** Exit code, or the name of the signal that killed it. */
  readonly exited: Promise<number | string | null>;
  readonly output: () => string;
}

/** `heddle proxy -c FILE` on the compiled program, listening. */
async function start({ accessLog = '', pilotPort = 0 } = {}): Promise<RunningProcess> {
  const backend = closeAfterTest(await Backend.start());
  const dir = await mkdtemp(join(tmpdir(), 'heddle-process-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const adminPort = await unusedPort();
  const file = join(dir, 'bootstrap.json');
  const listener = httpListener({
    name: 'main',
    routes: routeConfiguration([routeTo('backend')]),
    manager: accessLog === '' ? {} : fileAccessLog(accessLog),
  });
  const dynamic = pilotPort === 0 ? {} : (JSON.parse(adsBootstrapText(pilotPort)) as Bootstrap);
  const clusters = [...(dynamic.static_resources?.clusters ?? []), staticCluster('backend', [backend.port])];
  const bootstrap: Bootstrap = {
    ...dynamic,
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } },
    static_resources: { listeners: [listener], clusters },
  };
  await writeFile(file, JSON.stringify(bootstrap));
  const child = spawn(process.execPath, [compiled('pilot/cli/main.js'), 'proxy', '-c', file]);
  const exited = new Promise<number | string | null>((resolve) =>
    child.once('exit', (code, signal) => resolve(signal ?? code)),
  );
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  let output = '';
  child.stderr.on('data', (bytes: Buffer) => (output += bytes.toString()));
  await until(
    () => /listener=main .*port=\d+/.test(output) || child.exitCode !== null,
    () => output,
    15_000,
  );
  const port = Number(/listener=main .*port=(\d+)/.exec(output)?.[1]);
  return { child, port, adminPort, backend, exited, output: () => output };
}

describe('a proxy process', () => {
  test('SIGTERM: the request under way finishes, its connection is announced to close, the exit code is 0', async () => {
    const { child, port, backend, exited } = await start();
    let finish = (): void => {};
    backend.respond = (_request, response) => (finish = () => void response.end('finished'));
    const client = closeAfterTest(await RawConnection.open(port));
    const answer = client.get();
    await until(() => backend.requests === 1);
    child.kill('SIGTERM');
    await until(() => isRefused(port));
    finish();
    expect(await answer).toMatchObject({ status: 200, body: 'finished', headers: { connection: 'close' } });
    expect(await exited).toBe(0);
  });

  test('SIGTERM with idle connections and a client that never closes: exit code 0 well within the deadline', async () => {
    const { child, port, exited } = await start();
    const clients = await Promise.all(Array.from({ length: 5 }, () => RawClient.connect(port)));
    for (const client of clients) {
      closeAfterTest(client).send('GET / HTTP/1.1\r\nhost: test\r\n\r\n');
      expect(await client.untilResponses(1)).toHaveLength(1);
    }
    const startMs = performance.now();
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
    expect(performance.now() - startMs).toBeLessThan(4_500);
  });

  test('/quitquitquit ends it with exit code 0', async () => {
    const { adminPort, port, exited } = await start();
    expect((await call(port)).status).toBe(200);
    expect(await call(adminPort, { method: 'POST', path: '/quitquitquit' })).toMatchObject({
      status: 200,
      body: 'OK\n',
    });
    expect(await exited).toBe(0);
  });

  test('writes its access log to stdout, and outlives the reader of it', async () => {
    const { child, port, exited, output } = await start({ accessLog: '/dev/stdout' });
    let log = '';
    child.stdout?.on('data', (bytes: Buffer) => (log += bytes.toString()));
    await call(port, { path: '/read' });
    await until(() => log.includes('"GET /read HTTP/1.1" 200 - '));
    child.stdout?.destroy();
    for (let i = 0; !output().includes('the access log cannot be written') && i < 100; i++) {
      expect((await call(port)).status).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect((await call(port)).status).toBe(200);
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
  });

  test('outlives the reader of its log', async () => {
    const pilot = await startClosingServer();
    const { child, port, exited } = await start({ pilotPort: pilot.port });
    child.stderr?.destroy();
    const before = pilot.connections;
    // Each time the control plane hangs up the proxy logs it before it tries again.
    await until(
      () => pilot.connections >= before + 3,
      () => 'further attempts',
      10_000,
    );
    expect((await call(port)).status).toBe(200);
    child.kill('SIGTERM');
    await exited;
  });
});

/** Accepts connections only to end them. */
async function startClosingServer(): Promise<{ readonly port: number; readonly connections: number }> {
  const counted = { port: 0, connections: 0 };
  const server = net.createServer((socket) => {
    counted.connections += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closeAfterTest(server);
  counted.port = (server.address() as net.AddressInfo).port;
  return counted;
}

let probe: { isRefused: boolean } | undefined;

/** Tries again with every call; a connection that the kernel still took counts as accepted. */
function isRefused(port: number): boolean {
  if (probe === undefined) {
    const current = { isRefused: false };
    probe = current;
    RawConnection.open(port).then(
      (opened) => {
        opened.destroy();
        probe = undefined;
      },
      () => (current.isRefused = true),
    );
  }
  return probe.isRefused;
}

import { readFile, rename } from 'node:fs/promises';
import net from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findFreePorts } from '../../pilot/cli/free-ports.ts';
import { compiled, fetchText, Mesh } from '../support/mesh.ts';

const heddle = compiled('pilot/cli/main.js');
const hello = (port: number): string => `
static_resources:
  listeners:
  - name: hello
    address: { socket_address: { address: 127.0.0.1, port_value: ${port} } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: hello
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: { prefix: / }
                direct_response: { status: 200, body: { inline_string: hello } }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
`;

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

describe('heddle proxy', () => {
  let mesh: Mesh;
  let port: number;

  beforeEach(async () => {
    mesh = await Mesh.create();
    [port = 0] = await findFreePorts(1);
  });

  afterEach(() => mesh.close());

  test('serves a static bootstrap without any control plane and ends with 0 on SIGTERM', async () => {
    const file = await mesh.writeFile('hello.yaml', hello(port));
    const child = mesh.start('heddle proxy', [heddle, 'proxy', '-c', file]);
    await expect.poll(() => fetchText(`http://127.0.0.1:${port}/`).catch(String), { timeout: 10_000 }).toBe('hello');
    child.kill('SIGTERM');
    expect((await child.exited).code, child.output).toBe(0);
  });

  test('holds at most 90 MB of memory before its first request', async () => {
    const child = mesh.start('heddle proxy', [heddle, 'proxy', '-c', await mesh.writeFile('hello.yaml', hello(port))]);
    await expect.poll(() => canConnect(port), { timeout: 10_000 }).toBe(true);
    const [, residentKilobytes] =
      /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${child.pid}/status`, 'utf8')) ?? [];
    expect(Number(residentKilobytes)).toBeLessThan(90_000);
  });

  test('SIGUSR1 opens the access log anew: what was moved away stays as it is, and no line is lost', async () => {
    const log = `${mesh.dir}/access.log`;
    const accessLog = `access_log:
          - name: file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: ${log}
              log_format: { text_format_source: { inline_string: "%REQ(:PATH)%\\n" } }
          route_config:`;
    const file = await mesh.writeFile('logged.yaml', hello(port).replace('route_config:', accessLog));
    const child = mesh.start('heddle proxy', [heddle, 'proxy', '-c', file]);
    const get = (path: string): Promise<string> => fetchText(`http://127.0.0.1:${port}${path}`);
    await expect.poll(() => get('/before').catch(String), { timeout: 10_000 }).toBe('hello');
    await expect.poll(() => readFile(log, 'utf8').catch(String)).toBe('/before\n');
    await rename(log, `${log}.1`);
    child.kill('SIGUSR1');
    await expect.poll(() => readFile(log, 'utf8').catch(() => undefined)).toBe('');
    await get('/after');
    await expect.poll(() => readFile(log, 'utf8')).toBe('/after\n');
    expect(await readFile(`${log}.1`, 'utf8')).toBe('/before\n');
    child.kill('SIGTERM');
    expect((await child.exited).code, child.output).toBe(0);
  });

  test('--mode validate says OK and opens no port', async () => {
    const file = await mesh.writeFile('hello.yaml', hello(1));
    expect(await mesh.heddle('proxy', '-c', file, '--mode', 'validate')).toEqual({
      code: 0,
      output: `configuration '${file}' OK`,
    });
  });

  test('every fault is named with its path, exit 1', async () => {
    const text = hello(70_000).replace(
      'stat_prefix: hello',
      'stat_prefix: hello\n          scheme_header_transformation: {}',
    );
    const { code, output } = await mesh.heddle('proxy', '-c', await mesh.writeFile('bad.yaml', text));
    expect(code).toBe(1);
    expect(output).toMatch(/listeners\[0\]\.address\.socket_address\.port_value: .*70000/);
    expect(output).toMatch(/filters\[0\]\.typed_config\.scheme_header_transformation: /);
  });

  test('a file that is not there is said in one sentence', async () => {
    expect(await mesh.heddle('proxy', '-c', '/no/such.yaml')).toEqual({
      code: 1,
      output: 'heddle: /no/such.yaml: no such file',
    });
  });

  test('a port that is taken is said in one sentence', async () => {
    await mesh.startControlPlane();
    const file = await mesh.writeFile('hello.yaml', hello(mesh.ports.rest));
    const { code, output } = await mesh.heddle('proxy', '-c', file);
    expect(code).toBe(1);
    expect(output).toMatch(new RegExp(`^heddle: .*port ${mesh.ports.rest}.* taken`, 'm'));
  });
});

/** TPROXY: programs that know nothing of the mesh see who calls them, through their sidecar. */
import { afterAll, expect, test, type TestContext, vi } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { bootstrapText, listenerFilters, staticCluster, tcpListener } from '../../support/envoy-json.ts';
import { compiled } from '../../support/mesh.ts';
import { requirePeers } from '../../support/peers.ts';
import { PodMesh } from '../../support/pod-mesh.ts';
import { type Pod, PodNetwork, requirePods } from '../../support/pods.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Python's own web server, which logs its clients, and beside it one of raw TCP that tells each client its address. */
const program = `
import http.server, socket, socketserver, threading
class Dual(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        body = ('%s %d' % self.client_address[:2]).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
class Echo(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
class Peer(socketserver.BaseRequestHandler):
    def handle(self):
        while True:
            read = self.request.recv(65536)
            if not read: return
            self.request.sendall(self.client_address[0].encode() + b' ' + read)
threading.Thread(target=Echo(('::', 9090), Peer).serve_forever, daemon=True).start()
Dual(('::', 9080), Handler).serve_forever()
`;

/** Ends its direction after what it has to say, and prints what it gets until the other side has ended too. */
const teller = `
import socket, sys
host, port, text = sys.argv[1:]
s = socket.create_connection((host, int(port)), 5)
s.sendall(text.encode())
s.shutdown(socket.SHUT_WR)
while True:
    read = s.recv(65536)
    if not read: break
    print(read.decode(), end='')
`;

const service = `
apiVersion: v1
kind: Service
metadata: { name: seer }
spec: { clusterIP: 10.96.0.70, selector: { app: seer }, ports: [{ name: http, port: 9080 }, { name: tcp, port: 9090 }] }
`;

interface Stage {
  readonly mesh: PodMesh;
  readonly seer: Pod;
  /** Clients without a sidecar. */
  readonly one: Pod;
  readonly other: Pod;
}

let stage: Promise<Stage> | undefined = undefined;

async function startStage(): Promise<Stage> {
  const mesh = await PodMesh.start();
  try {
    await mesh.apply(service);
    const command = ['python3', '-c', program];
    const seer = await mesh.addWorkload({ service: 'seer', port: 9080, appPorts: [9090], command, mode: 'TPROXY' });
    return { mesh, seer, one: mesh.network.addPod('one'), other: mesh.network.addPod('other') };
  } catch (error) {
    await mesh.close();
    throw error;
  }
}

async function onStage(context: TestContext): Promise<Stage> {
  requirePods(context);
  requirePeers(context, 'curl', 'python3');
  stage ??= startStage();
  return stage;
}

afterAll(async () => {
  await (await stage)?.mesh.close();
});

/** One line for each of `count` requests on one connection: who the server says has asked. */
async function whoAsks(pod: Pod, host: string, count = 1): Promise<string[]> {
  const url = `http://${host.includes(':') ? `[${host}]` : host}:9080/`;
  const urls = Array.from({ length: count }, () => url);
  const output = await pod.require(['curl', '--silent', '--max-time', '5', '--write-out', '\n', ...urls]);
  return output
    .trim()
    .split('\n')
    .map((line) => line.replace('::ffff:', ''));
}

const addresses = ({ address, ipv6Address }: Pod): string[] => [address, ipv6Address];
const withoutPort = (line: string): string => line.replace(/ \d+$/, '');

test('a web server sees the address of its client, of either family', async (context) => {
  const { seer, one, other } = await onStage(context);
  for (const client of [one, other]) {
    for (const [family, host] of addresses(seer).entries()) {
      const seen = await whoAsks(client, host);
      expect(seen.map(withoutPort)).toEqual([addresses(client)[family]]);
    }
  }
});

test('requests of one client share a connection to the application, those of two do not', async (context) => {
  const { seer, one, other } = await onStage(context);
  const [first, ...others] = [...(await whoAsks(one, seer.address, 3)), ...(await whoAsks(one, seer.address))];
  expect(others).toEqual([first, first, first]);
  expect((await whoAsks(other, seer.address, 2)).map(withoutPort)).toEqual([other.address, other.address]);
  expect(await whoAsks(one, seer.address)).toEqual([first]);
});

test('a server of raw TCP sees the address of its client, and both ends hear where the other ends', async (context) => {
  const { seer, one } = await onStage(context);
  for (const [family, host] of addresses(seer).entries()) {
    const heard = await one.require(['python3', '-c', teller, host, '9090', 'hello']);
    expect(heard.replace('::ffff:', '')).toBe(`${addresses(one)[family]} hello`);
  }
});

test('many at once are told apart', async (context) => {
  const { seer, one, other } = await onStage(context);
  const calls = Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? one : other));
  const seen = await Promise.all(calls.map((client) => whoAsks(client, seer.address, 5)));
  for (const [i, client] of calls.entries()) {
    expect(seen[i]?.map(withoutPort)).toEqual(Array.from({ length: 5 }, () => client.address));
  }
});

test('a sidecar without the capability says so, and takes no connection', async (context) => {
  requirePods(context);
  const network = closeAfterTest(new PodNetwork());
  const pod = network.addPod('pod');
  const listener_filters = listenerFilters('original_src');
  const listener = tcpListener({ name: 'inbound', proxy: { cluster: 'app' }, listener_filters });
  // Standard input is a socket here, which cannot be opened by its name.
  const proxy = [
    'sh',
    '-c',
    'cat | "$@"',
    'sh',
    process.execPath,
    compiled('pilot/cli/main.js'),
    'proxy',
    '-c',
    '/dev/stdin',
  ];
  const stdin = bootstrapText([listener], [staticCluster('app', [9])]);
  const { code, stdout, stderr } = await pod.run(proxy, { uid: 1337, stdin });
  expect(code).not.toBe(0);
  expect(stdout + stderr).toContain(
    'inbound: cannot connect in the name of clients: IP_TRANSPARENT: EPERM (it takes CAP_NET_ADMIN)',
  );
});

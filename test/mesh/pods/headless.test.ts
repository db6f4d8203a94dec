/** Services that are nothing but their workloads: found by name, and called one by one. */
import { afterAll, describe, expect, test, type TestContext, vi } from 'vitest';
import { parsePrometheusText, sumSamples } from '../../support/prometheus-text.ts';
import { requirePeers } from '../../support/peers.ts';
import { PodMesh } from '../../support/pod-mesh.ts';
import { patience, type Pod, requirePods } from '../../support/pods.ts';

vi.setConfig({ testTimeout: 120_000 });

/** Says who it is, in the first word to whoever comes, and then what it is told; at the other port in its answers. */
const program = (name: string): string[] => [
  process.execPath,
  '-e',
  `require('net').createServer((socket) => {
    socket.on('error', () => {});
    socket.write('${name}\\n');
    socket.pipe(socket);
  }).listen(5432, '::');
  require('http').createServer((_, answer) => answer.end('${name}')).listen(8080, '::')`,
];

const resources = `
apiVersion: v1
kind: Service
metadata: { name: db }
spec: { clusterIP: None, selector: { app: db }, ports: [{ name: tcp, port: 5432 }, { name: http, port: 8080 }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: db }
spec: { host: db, trafficPolicy: { portLevelSettings: [{ port: { number: 5432 }, connectionPool: { tcp: { maxConnections: 1 } } }] } }
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: strict }
spec: { workloadSelector: { labels: { app: shell } }, outboundTrafficPolicy: { mode: REGISTRY_ONLY } }
`;

interface Stage {
  readonly mesh: PodMesh;
  readonly first: Pod;
  readonly second: Pod;
  /** May call what is declared, and nothing else; its sidecar answers its DNS queries. */
  readonly caller: Pod;
}

/** Pods take a while to start: all tests share them. */
let stage: Promise<Stage> | undefined = undefined;

const addInstance = (mesh: PodMesh, index: number): Promise<Pod> =>
  mesh.addWorkload({
    service: 'db',
    name: `db-${index}`,
    port: 5432,
    appPorts: [8080],
    command: program(`db-${index}`),
  });

async function startStage(): Promise<Stage> {
  const mesh = await PodMesh.start();
  try {
    await mesh.apply(resources);
    const search = 'search default.svc.cluster.local svc.cluster.local\noptions ndots:5 timeout:1 attempts:2';
    // Nobody answers there: queries of either family are the sidecar's.
    const files = { 'resolv.conf': `nameserver 2001:db8::1\nnameserver 192.0.2.1\n${search}\n` };
    const [first, second, caller] = await Promise.all([
      addInstance(mesh, 0),
      addInstance(mesh, 1),
      mesh.addWorkload({ service: 'shell', dns: true, files }),
    ]);
    return { mesh, first, second, caller };
  } catch (error) {
    await mesh.close();
    throw error;
  }
}

async function onStage(context: TestContext): Promise<Stage> {
  requirePods(context);
  requirePeers(context, 'dig', 'curl');
  stage ??= startStage();
  return stage;
}

afterAll(async () => {
  await (await stage)?.mesh.close();
});

/** Addresses that a program finds by the C library, sorted. */
async function lookUp(pod: Pod, name: string): Promise<string[]> {
  const { stdout } = await pod.run(['getent', 'ahostsv4', name], { uid: 1000 });
  return [...new Set(stdout.split('\n').flatMap((line) => line.split(/\s/, 1)[0] || []))].sort();
}

/** What a client of the host is told first; the code of the error otherwise. */
async function greeting(pod: Pod, host: string): Promise<string> {
  const client = `const s = require('net').connect(5432, '${host}');
    s.on('error', (e) => console.log(e.code)).on('data', (d) => { process.stdout.write(d); s.end(); });
    s.on('close', () => process.exit());`;
  const { stdout } = await pod.run([process.execPath, '-e', client], { uid: 1000 });
  return stdout.trim();
}

describe('the name of a headless service', () => {
  test('has the addresses of all its workloads, and each of them a name of its own', async (context) => {
    const { caller, first, second } = await onStage(context);
    const both = [first.address, second.address].sort();
    for (const name of ['db', 'db.default', 'db.default.svc.cluster.local']) {
      await expect.poll(() => lookUp(caller, name), patience).toEqual(both);
    }
    expect(await lookUp(caller, 'db-0.db')).toEqual([first.address]);
    expect(await lookUp(caller, 'db-1.db.default.svc.cluster.local')).toEqual([second.address]);
    expect(await lookUp(caller, 'db-7.db')).toEqual([]);
  });

  test('is answered over IPv6 as over IPv4, over UDP and TCP', async (context) => {
    const { caller, first } = await onStage(context);
    for (const server of ['2001:db8::1', '192.0.2.1']) {
      for (const transport of ['+notcp', '+tcp']) {
        const dig = ['dig', '+short', '+tries=1', '+time=3', transport, `@${server}`];
        const answer = await caller.run([...dig, 'db-0.db.default.svc.cluster.local', 'A'], { uid: 1000 });
        expect(answer.stdout, `${server} ${transport}`).toBe(`${first.address}\n`);
      }
    }
  });
});

describe('a request', () => {
  test('for the service is balanced, and one for a workload by name reaches that one', async (context) => {
    const { caller } = await onStage(context);
    const get = (name: string): Promise<string> =>
      caller.run(['curl', '--silent', '--max-time', '5', `http://${name}:8080/`]).then(({ stdout }) => stdout);
    for (const name of ['db-0', 'db-1']) {
      await expect.poll(() => get(`${name}.db`), patience).toBe(name);
      for (let i = 0; i < 4; i += 1) expect(await get(`${name}.db.default.svc.cluster.local`)).toBe(name);
    }
    const seen = new Set<string>();
    await expect.poll(async () => seen.add(await get('db')).size, patience).toBe(2);
    expect([...seen].sort()).toEqual(['db-0', 'db-1']);
  });
});

describe('a connection to one of its workloads', () => {
  test('reaches that one, although its caller may call nothing that is not declared', async (context) => {
    const { caller, first, second } = await onStage(context);
    for (const [pod, name] of [
      [first, 'db-0'],
      [second, 'db-1'],
    ] as const) {
      await expect.poll(() => greeting(caller, pod.address), patience).toBe(name);
      await expect.poll(() => greeting(caller, `${name}.db`), patience).toBe(name);
    }
  });

  test('is counted for the service', async (context) => {
    const { mesh, caller, first } = await onStage(context);
    await expect.poll(() => greeting(caller, first.address), patience).toBe('db-0');
    const labels = { reporter: 'source', destination_service: 'db.default.svc.cluster.local' };
    const counted = async (): Promise<number> =>
      sumSamples(parsePrometheusText(await mesh.metrics()), 'istio_tcp_connections_opened_total', labels);
    await expect.poll(counted, patience).toBeGreaterThan(0);
  });

  test('stays open while others come and go, and takes the place that the policy of the service has', async (context) => {
    const { mesh, caller, first, second } = await onStage(context);
    await expect.poll(() => greeting(caller, first.address), patience).toBe('db-0');
    const client = `const s = require('net').connect(5432, '${first.address}');
      s.on('data', (d) => process.stdout.write(d)).on('close', () => process.stdout.write('closed'));
      let n = 0;
      setInterval(() => s.write('tick ' + ++n + '\\n'), 50);`;
    const session = caller.start([process.execPath, '-e', client], { uid: 1000 });
    await expect.poll(() => session.output, patience).toContain('tick 1');
    // maxConnections is 1: of the whole service.
    expect(await greeting(caller, second.address)).not.toBe('db-1');
    const third = await addInstance(mesh, 2);
    await expect.poll(() => lookUp(caller, 'db'), patience).toHaveLength(3);
    await third.die();
    await expect.poll(() => lookUp(caller, 'db'), { timeout: 30_000 }).toHaveLength(2);
    const ticks = (): number => session.output.split('tick').length;
    const before = ticks();
    await expect.poll(ticks, patience).toBeGreaterThan(before + 3);
    expect(session.output).not.toContain('closed');
    await session.kill();
    await expect.poll(() => greeting(caller, second.address), patience).toBe('db-1');
  });
});

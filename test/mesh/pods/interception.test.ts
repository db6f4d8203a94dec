/** Unmodified programs in pods, whose connections a sidecar takes over without their knowing. */
import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, type TestContext, vi } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { type PeerProgram, requirePeers } from '../../support/peers.ts';
import { patience, type Pod, requirePods } from '../../support/pods.ts';
import { PodMesh } from '../../support/pod-mesh.ts';

function requirePrograms(context: TestContext, ...programs: readonly PeerProgram[]): void {
  requirePods(context);
  requirePeers(context, 'curl', ...programs);
}

/** Of a test that breaks it. */
async function startMesh(context: TestContext): Promise<PodMesh> {
  requirePrograms(context);
  return closeAfterTest(await PodMesh.start());
}

interface Healthy {
  readonly mesh: PodMesh;
  /** Makes calls; nothing runs in it. */
  readonly caller: Pod;
}

let healthy: Healthy | undefined = undefined;

/** The mesh of all tests that leave it whole: each brings its own service. */
async function healthyMesh(context: TestContext, ...programs: readonly PeerProgram[]): Promise<Healthy> {
  requirePrograms(context, ...programs);
  if (healthy !== undefined) return healthy;
  const mesh = await PodMesh.start();
  started.push(mesh);
  healthy = { mesh, caller: await mesh.addWorkload({ service: 'shell', files: { hosts } }) };
  return healthy;
}

/** However far its start has come. */
const started: PodMesh[] = [];
afterAll(async () => {
  for (const mesh of started) await mesh.close();
});

vi.setConfig({ testTimeout: 120_000 });

const curl = ['curl', '--silent', '--show-error', '--max-time', '5'];

/** Answers every request with `name`. */
const answering = (name: string, port: number): string[] => [
  process.execPath,
  '-e',
  `require('http').createServer((_, answer) => answer.end(${JSON.stringify(name)})).listen(${port}, '0.0.0.0')`,
];

const reviews = `
apiVersion: v1
kind: Service
metadata: { name: reviews }
spec: { clusterIP: 10.96.0.10, selector: { app: reviews }, ports: [{ name: http, port: 9080 }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec: { host: reviews, subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }] }
`;

const rules = (http: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews }
spec: { hosts: [reviews], http: ${http} }
`;

async function addReviews(mesh: PodMesh): Promise<void> {
  await mesh.apply(reviews);
  for (const version of ['v1', 'v2']) {
    await mesh.addWorkload({ service: 'reviews', version, port: 9080, command: answering(version, 9080) });
  }
}

const hosts =
  '10.96.0.10 reviews\n10.96.0.20 greeter\n10.96.0.30 cache\n10.96.0.40 db\n10.96.0.50 vault\n10.96.0.60 short\n10.96.0.61 long\n10.96.0.62 either\n';

const tcpService = (name: string, address: string, port: string): string => `
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { clusterIP: ${address}, selector: { app: ${name} }, ports: [${port}] }
`;

async function split(caller: Pod, requests: number, ...args: string[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const url = 'http://reviews:9080/';
  const urls = Array.from({ length: requests }, () => url);
  const text = await caller.require([...curl, '--max-time', '60', '--write-out', '\\n', ...args, ...urls]);
  for (const line of text.trim().split('\n')) counts[line] = (counts[line] ?? 0) + 1;
  return counts;
}

test('curl and a service are split 95 to 5 and matched by a header, and neither knows', async (context) => {
  const { mesh, caller } = await healthyMesh(context);
  await addReviews(mesh);
  await mesh.apply(
    rules(
      '[{ match: [{ headers: { end-user: { exact: jason } } }], route: [{ destination: { host: reviews, subset: v2 } }] }, { route: [{ destination: { host: reviews, subset: v1 }, weight: 95 }, { destination: { host: reviews, subset: v2 }, weight: 5 }] }]',
    ),
  );
  await expect.poll(() => split(caller, 20, '--header', 'end-user: jason'), patience).toEqual({ v2: 20 });
  const { v1 = 0, v2 = 0 } = await split(caller, 1_000);
  // The standard deviation is 7.
  expect(v1 + v2).toBe(1_000);
  expect(v2).toBeGreaterThan(15);
  expect(v2).toBeLessThan(100);
});

test('B8: a raw TCP service and one whose server speaks first work as if nobody stood between', async (context) => {
  const { mesh, caller } = await healthyMesh(context);
  // No name says what the port speaks: the sidecars have to find out.
  await mesh.apply(tcpService('greeter', '10.96.0.20', '{ name: any, port: 2525 }'));
  const program = `require('net').createServer((socket) => {
    socket.on('error', () => {});
    socket.write('220 ready\\n');
    socket.on('data', (bytes) => socket.write(bytes));
    socket.on('end', () => socket.end('bye\\n'));
  }).listen(2525, '0.0.0.0')`;
  await mesh.addWorkload({ service: 'greeter', port: 2525, command: [process.execPath, '-e', program] });
  // Says its word, ends, and prints what comes until the server ends.
  const client = `require('net').connect(2525, 'greeter').on('error', (e) => console.log(e.code)).end('hello\\n').pipe(process.stdout)`;
  const say = (): Promise<string> => caller.require([process.execPath, '-e', client]);
  await expect.poll(() => say().catch(String), patience).toBe('220 ready\nhello\nbye\n');
  // Once found out it is remembered on both sides.
  expect(await say()).toBe('220 ready\nhello\nbye\n');
});

test("D10: with several destinations a connection may be idle for as long as the first one's rule says", async (context) => {
  const { mesh, caller } = await healthyMesh(context);
  const port = '{ name: tcp, port: 2525 }';
  const idle = (name: string, idleTimeout: string): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name} }
spec: { host: ${name}, trafficPolicy: { connectionPool: { tcp: { idleTimeout: ${idleTimeout} } } } }
`;
  /** Nearly all connections go to the second. */
  const either = (first: string, second: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: either }
spec: { hosts: [either], tcp: [{ route: [{ destination: { host: ${first} }, weight: 1 }, { destination: { host: ${second} }, weight: 99 }] }] }
`;
  const services = ['short', 'long', 'either'].map((name, i) => tcpService(name, `10.96.0.6${i}`, port));
  await mesh.apply([...services, idle('short', '1s'), idle('long', '1h'), either('short', 'long')].join('---'));
  for (const service of ['short', 'long']) {
    const program = `require('net').createServer((socket) => socket.on('error', () => {}).write('${service}')).listen(2525, '0.0.0.0')`;
    await mesh.addWorkload({ service, port: 2525, command: [process.execPath, '-e', program] });
  }
  /** Who was reached, and whether that was over after three seconds. */
  const client = `let said = ''; const socket = require('net').connect(2525, 'either');
    const tell = (end) => { console.log(said, end); process.exit(); };
    socket.on('data', (bytes) => (said += bytes)).on('error', tell).on('end', () => tell('ended'));
    setTimeout(tell, 3000, 'open')`;
  const reach = async (): Promise<string> =>
    caller.require([process.execPath, '-e', client]).then((text) => text.trim(), String);
  const patient = { timeout: 30_000 };
  await expect.poll(reach, patient).toBe('long ended');
  await mesh.apply(either('long', 'short'));
  await expect.poll(reach, patient).toBe('short open');
});

test('redis and its client speak through two sidecars', async (context) => {
  const { mesh, caller } = await healthyMesh(context, 'redis-server');
  await mesh.apply(tcpService('cache', '10.96.0.30', '{ name: redis, port: 6379 }'));
  const server = ['redis-server', '--port', '6379', '--bind', '0.0.0.0', '--protected-mode', 'no', '--save', ''];
  await mesh.addWorkload({ service: 'cache', port: 6379, command: server });
  const redis = (...args: string[]): Promise<string> => caller.require(['redis-cli', '-h', 'cache', ...args]);
  await expect.poll(() => redis('ping').catch(String), patience).toBe('PONG\n');
  const value = 'x'.repeat(100_000);
  await caller.require(['redis-cli', '-h', 'cache', '-x', 'set', 'large'], { stdin: value });
  expect(await redis('strlen', 'large')).toBe('100000\n');
  expect(await redis('--pipe-timeout', '5', 'get', 'large')).toBe(`${value}\n`);
});

test('whom a check rule keeps out does not hear a server that speaks first, and its application does not hear of him', async (context) => {
  const { mesh, caller } = await healthyMesh(context);
  await mesh.apply(tcpService('vault', '10.96.0.50', '{ name: tcp-vault, port: 7777 }'));
  const program = `require('net').createServer((socket) => {
    socket.on('error', () => {});
    socket.end('secret\\n');
  }).listen(7777, '0.0.0.0')`;
  await mesh.addWorkload({ service: 'vault', port: 7777, command: [process.execPath, '-e', program] });
  const client = `require('net').connect(7777, 'vault').on('error', (e) => console.log(e.code)).pipe(process.stdout)`;
  const read = (): Promise<string> => caller.require([process.execPath, '-e', client]);
  const rule = (mode: string) => `
apiVersion: networking.heddle.dev/v1alpha1
kind: CheckRule
metadata: { name: no-shells }
spec: { host: vault, action: DENY, mode: ${mode}, match: [{ source: { namespaces: [default] } }] }
`;
  await expect.poll(() => read().catch(String), patience).toBe('secret\n');
  await mesh.apply(rule('ENFORCE'));
  await expect.poll(() => read().catch(String), patience).toMatch(/^(ECONNRESET\n)?$/);
  await mesh.apply(rule('SHADOW'));
  await expect.poll(() => read().catch(String), patience).toBe('secret\n');
});

/** Debian puts the server's programs beside each other, by their version. */
function postgresFolder(): string {
  const root = '/usr/lib/postgresql';
  return join(root, readdirSync(root).sort().at(-1) ?? '', 'bin');
}

const postgresUid = 101;

test('psql and PostgreSQL speak through two sidecars', async (context) => {
  const { mesh, caller } = await healthyMesh(context, 'psql');
  const data = mkdtempSync(join(tmpdir(), 'heddle-postgres-'));
  closeAfterTest({ close: () => rmSync(data, { recursive: true, force: true }) });
  chownSync(data, postgresUid, postgresUid);
  await mesh.apply(tcpService('db', '10.96.0.40', '{ name: tcp-postgres, port: 5432 }'));
  const programs = postgresFolder();
  const user = { uid: postgresUid, gid: postgresUid };
  await mesh.pilot.require([join(programs, 'initdb'), '--pgdata', data, '--auth', 'trust', '--no-sync'], user);
  const server = [join(programs, 'postgres'), '-D', data, '-h', '0.0.0.0', '-k', data, '-c', 'fsync=off'];
  await mesh.addWorkload({ service: 'db', port: 5432, command: server, user });
  const sql = (text: string): Promise<string> =>
    caller.require(
      ['psql', '--host', 'db', '--username', 'postgres', '--tuples-only', '--no-align', '--command', text],
      {
        env: { PGCONNECT_TIMEOUT: '5' },
      },
    );
  await expect.poll(() => sql('select 6 * 7').catch(String), patience).toBe('42\n');
  expect(await sql('select sum(n) from generate_series(1, 100000) n')).toBe('5000050000\n');
});

test('a pod whose cable is pulled is left out after some failures, and one that is added gets its share', async (context) => {
  const mesh = await startMesh(context);
  await mesh.apply(
    reviews.replace(
      'host: reviews,',
      'host: reviews, trafficPolicy: { connectionPool: { tcp: { connectTimeout: 0.3s } }, outlierDetection: { consecutive5xxErrors: 1, interval: 1s, baseEjectionTime: 60s, maxEjectionPercent: 100 } },',
    ),
  );
  const add = (version: string) =>
    mesh.addWorkload({ service: 'reviews', version, port: 9080, command: answering(version, 9080) });
  const first = await add('v1');
  await add('v2');
  const caller = await mesh.addWorkload({ service: 'shell', files: { hosts } });
  await expect.poll(async () => Object.keys(await split(caller, 20)).sort(), patience).toEqual(['v1', 'v2']);
  first.linkDown();
  await expect.poll(() => split(caller, 10, '--retry', '3', '--retry-all-errors'), patience).toEqual({ v2: 10 });
  // No request fails while another pod comes and takes its share.
  const done = new AbortController();
  const failures: string[] = [];
  const traffic = (async () => {
    while (!done.signal.aborted) {
      const counts = await split(caller, 20);
      failures.push(...Object.keys(counts).filter((body) => !/^v[0-9]$/.test(body)));
    }
  })();
  await add('v3');
  await expect.poll(async () => Object.keys(await split(caller, 20)).sort(), patience).toEqual(['v2', 'v3']);
  done.abort();
  await traffic;
  expect(failures).toEqual([]);
});

test('when a pod dies from one moment to the next, calls that can be repeated are answered by another', async (context) => {
  const mesh = await startMesh(context);
  await addReviews(mesh);
  const caller = await mesh.addWorkload({ service: 'shell', files: { hosts } });
  const last = await mesh.addWorkload({
    service: 'reviews',
    version: 'v3',
    port: 9080,
    command: answering('v3', 9080),
  });
  await expect.poll(async () => Object.keys(await split(caller, 40)).sort(), patience).toEqual(['v1', 'v2', 'v3']);
  await last.die();
  await mesh.apply(
    rules(
      '[{ route: [{ destination: { host: reviews } }], retries: { attempts: 3, perTryTimeout: 0.5s, retryOn: "connect-failure,reset,5xx" } }]',
    ),
  );
  await expect.poll(async () => Object.keys(await split(caller, 20)).sort(), { timeout: 30_000 }).toEqual(['v1', 'v2']);
});

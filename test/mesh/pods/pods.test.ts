/** The stage of the tests with real hosts: what they take for granted of pods. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test, type TestContext } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { requirePeers } from '../../support/peers.ts';
import { patience, type Pod, PodNetwork, requirePods } from '../../support/pods.ts';

const curl = ['curl', '--silent', '--show-error', '--max-time', '5', '--connect-timeout', '2'];

function makeNetwork(context: TestContext): PodNetwork {
  requirePods(context);
  requirePeers(context, 'curl', 'python3');
  return closeAfterTest(new PodNetwork());
}

/** Python's HTTP server, which serves the folder that it runs in, on IPv4 and IPv6. */
async function serveFiles(pod: Pod): Promise<void> {
  pod.start(['python3', '-m', 'http.server', '--bind', '::', '--directory', 'proxy/common', '8000']);
  await pod.listens(8000);
}

test('curl in one pod reaches a server in another, over IPv4, IPv6 and by name', async (context) => {
  const network = makeNetwork(context);
  const files = network.addPod('files');
  await serveFiles(files);
  const caller = network.addPod('caller', { hosts: `${files.address} files.example\n` });
  for (const host of [files.address, `[${files.ipv6Address}]`, 'files.example']) {
    expect(await caller.require([...curl, `http://${host}:8000/clock.ts`])).toContain('Clock');
  }
});

test('a pod does not see what listens in another, nor this machine', async (context) => {
  const network = makeNetwork(context);
  await serveFiles(network.addPod('files'));
  const caller = network.addPod('caller');
  const { code, stderr } = await caller.run([...curl, 'http://127.0.0.1:8000/']);
  expect([code, stderr]).toEqual([7, expect.stringMatching(/connect/i)]);
});

test('a program runs as the user that the test names, without the capabilities it takes away', async (context) => {
  const pod = makeNetwork(context).addPod('pod');
  expect(await pod.require(['id', '-u'], { uid: 1337 })).toBe('1337\n');
  expect(await pod.require(['id', '-g'], { uid: 1337, gid: 1338 })).toBe('1338\n');
  const { code, stderr } = await pod.run(['ip', 'link', 'set', 'eth0', 'down'], { without: ['net_admin'] });
  expect([code, stderr]).toEqual([2, expect.stringContaining('Operation not permitted')]);
});

test('a pulled cable loses what is sent, until it is plugged in again', async (context) => {
  const network = makeNetwork(context);
  const files = network.addPod('files');
  await serveFiles(files);
  const caller = network.addPod('caller');
  const call = [...curl, '--max-time', '1', '--output', '/dev/null', `http://${files.address}:8000/`];
  files.linkDown();
  expect((await caller.run(call)).code).toBe(28);
  files.linkUp();
  await caller.require([...curl, '--retry', '5', '--retry-all-errors', `http://${files.address}:8000/`]);
});

test('a pod that dies takes its programs along and closes no connection', async (context) => {
  const network = makeNetwork(context);
  const server = network.addPod('server');
  const program = server.start(['python3', '-c', waitsForever]);
  await server.listens(9000);
  const caller = network.addPod('caller');
  const call = caller.start(['curl', '--silent', '--max-time', '2', `telnet://${server.address}:9000`]);
  await expect.poll(() => program.stdout, patience).toContain('accepted');
  await server.die();
  expect([existsSync(`/proc/${program.pid}`), existsSync(`/run/netns/${server.namespace}`)]).toEqual([false, false]);
  // Neither the end nor a reset of the connection: curl waits for as long as it may.
  expect((await call.ended).code).toBe(28);
});

const waitsForever = `
import socket, time
listening = socket.create_server(("", 9000))
connection, peer = listening.accept()
print("accepted", flush=True)
time.sleep(60)
`;

test('a closed network leaves no namespace, no program and no file behind', async (context) => {
  requirePods(context);
  const network = new PodNetwork();
  const pod = network.addPod('pod', { hosts: '' });
  const shell = pod.start(['sh', '-c', 'sleep 60 & echo $!; wait']);
  await expect.poll(() => shell.stdout, patience).toMatch(/^\d+\n$/);
  const grandchild = Number(shell.stdout);
  await network.close();
  expect(readdirSync('/run/netns').filter((name) => name.includes(`-${process.pid}-`))).toEqual([]);
  expect(existsSync(`/etc/netns/${pod.namespace}`)).toBe(false);
  await expect.poll(() => isRunning(grandchild), patience).toBe(false);
});

test('what a killed test process left behind is removed by the next one', (context) => {
  requirePods(context);
  // No process has such a number.
  const leftOver = 'heddle-test-999999999-1-pod';
  execFileSync('ip', ['netns', 'add', leftOver]);
  makeNetwork(context);
  expect(existsSync(`/run/netns/${leftOver}`)).toBe(false);
});

/** A process that has ended keeps its number until its parent asks for it, but no command line. */
function isRunning(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch {
    return false;
  }
}

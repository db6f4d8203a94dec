import { spawnSync } from 'node:child_process';
import { createServer, connect, type AddressInfo, Socket } from 'node:net';
import { expect, test, type TestContext } from 'vitest';
import { originalDestinationOf, setTransparent } from '../../../proxy/listener/original-destination.ts';
import { findSocketOptionsFault } from '../../../proxy/common/socket-options.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { compiled } from '../../support/mesh.ts';
import { requirePeers } from '../../support/peers.ts';
import { callDestination, startDestinationServer } from '../../support/pods/arrivals.ts';
import type { Arrival } from '../../support/pods/destination-server.ts';
import { patience, type Pod, PodNetwork, requirePods } from '../../support/pods.ts';

const port = 15_001;

/** A pod that leads all its calls to a server of ours, which listens at `host`. */
async function startCapturedPod(context: TestContext, host: string): Promise<Pod> {
  requirePods(context);
  requirePeers(context, 'curl');
  const pod = closeAfterTest(new PodNetwork()).addPod('pod');
  await pod.require(['nft', '-f', '-'], {
    stdin: `table inet test { chain out { type nat hook output priority -100; meta l4proto tcp redirect to :${port}; }; }`,
  });
  await startDestinationServer(pod, { host, ports: [port] });
  return pod;
}

const call = (pod: Pod, host: string, port: number): Promise<Arrival> => callDestination(pod, { host, port });

test('an IPv4 connection that was redirected tells where it wanted to go', async (context) => {
  const pod = await startCapturedPod(context, '0.0.0.0');
  for (const [address, port] of [
    ['203.0.113.7', 80],
    ['10.255.0.1', 65_535],
  ] as const) {
    const { original, local } = await call(pod, address, port);
    expect(original).toEqual({ address, port });
    expect(local).toEqual({ address: '127.0.0.1', port: 15_001 });
  }
});

test('an IPv6 connection that was redirected tells where it wanted to go, as RFC 5952 writes addresses', async (context) => {
  const pod = await startCapturedPod(context, '::');
  for (const address of [
    '2001:db8::7',
    '2001:db8:1:2:3:4:5:6',
    '2001:db8:0:1:1:1:1:1',
    '2001:db8::1:0:0:1',
    '2001:0:0:1::1',
    '64:ff9b::c000:201',
    '2001:db8::',
  ]) {
    expect((await call(pod, address, 443)).original).toEqual({ address, port: 443 });
  }
});

test('IPv4 on a listener of both families is printed as IPv4', async (context) => {
  const pod = await startCapturedPod(context, '::');
  const { original, local } = await call(pod, '203.0.113.7', 80);
  expect(original).toEqual({ address: '203.0.113.7', port: 80 });
  expect(local).toEqual({ address: '127.0.0.1', port: 15_001 });
});

test('a connection to the port of the listener itself on another host was redirected too', async (context) => {
  const pod = await startCapturedPod(context, '0.0.0.0');
  expect((await call(pod, '203.0.113.7', port)).original).toEqual({ address: '203.0.113.7', port });
});

test('a connection that was addressed to the listener has no original destination, tracked or not', async (context) => {
  const pod = await startCapturedPod(context, '::');
  expect((await call(pod, '127.0.0.1', port)).original).toBeUndefined();
  expect((await call(pod, '::1', port)).original).toBeUndefined();

  const server = closeAfterTest(createServer());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  closeAfterTest(connect((server.address() as AddressInfo).port, '127.0.0.1'));
  expect(originalDestinationOf(closeAfterTest(await accepted))).toBeUndefined();
});

test('a socket that is closed or was never open has no original destination', () => {
  const socket = new Socket();
  expect(originalDestinationOf(socket)).toBeUndefined();
  socket.destroy();
  expect(originalDestinationOf(socket)).toBeUndefined();
});

for (const host of ['0.0.0.0', '::']) {
  test(`a transparent listener at ${host} sees what callers meant as its own address`, async (context) => {
    requirePods(context);
    requirePeers(context, 'curl');
    const network = closeAfterTest(new PodNetwork());
    const [server, caller] = [network.addPod('server'), network.addPod('caller')];
    await divert(server);
    const started = await startDestinationServer(server, { host, ports: [15_006], isTransparent: true });
    await expect.poll(() => started.output, patience).toBe('transparent: done\n');
    for (const address of host === '::' ? [server.address, server.ipv6Address] : [server.address]) {
      const { local, original, remoteAddress } = await call(caller, address, 8080);
      expect([local, original]).toEqual([{ address, port: 8080 }, undefined]);
      expect(remoteAddress).toBe(address.includes(':') ? caller.ipv6Address : caller.address);
    }
  });
}

/** What arrives is delivered to whoever listens transparently on port 15006. */
async function divert(pod: Pod): Promise<void> {
  for (const family of ['-4', '-6']) {
    await pod.require(['ip', family, 'rule', 'add', 'fwmark', '1337', 'lookup', '133']);
    await pod.require(['ip', family, 'route', 'add', 'local', 'default', 'dev', 'lo', 'table', '133']);
  }
  await pod.require(['nft', '-f', '-'], {
    stdin: `table inet test { chain in { type filter hook prerouting priority -150;
      iifname eth0 tcp dport 8080 tproxy to :15006 meta mark set 1337; }; }`,
  });
}

test('a socket may not be made transparent without the capability, nor one that is none', async (context) => {
  expect(setTransparent(-1)).toBe('EBADF');
  requirePods(context);
  const pod = closeAfterTest(new PodNetwork()).addPod('pod');
  const refused = await startDestinationServer(pod, { ports: [1500], isTransparent: true, as: { uid: 1337 } });
  await expect.poll(() => refused.stdout, patience).toBe('transparent: EPERM\n');
});

test('the library is loaded by the first use, not before', () => {
  const script = `
    const modules = () => process.report.getReport().sharedObjects.filter((path) => path.includes('koffi')).length;
    const { findSocketOptionsFault } = await import(${JSON.stringify(compiled('proxy/common/socket-options.js'))});
    await import(${JSON.stringify(compiled('proxy/listener/original-destination.js'))});
    const before = modules();
    console.log(before, findSocketOptionsFault(), modules());`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(stdout).toBe('0 undefined 1\n');
  expect(findSocketOptionsFault()).toBeUndefined();
});

test('a library that does not load is said in one sentence, and no destination is made up', () => {
  const script = `
    process.dlopen = () => { throw new Error('no such binary'); };
    const { findSocketOptionsFault } = await import(${JSON.stringify(compiled('proxy/common/socket-options.js'))});
    const { setTransparent } = await import(${JSON.stringify(compiled('proxy/listener/original-destination.js'))});
    console.log(findSocketOptionsFault());
    console.log(setTransparent(0));`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  const sentence = /^socket options cannot be reached, koffi does not load: .+$/;
  expect(stdout.trimEnd().split('\n')).toEqual([expect.stringMatching(sentence), expect.stringMatching(sentence)]);
});

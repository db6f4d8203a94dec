/** `heddle capture` in real network namespaces: who takes a connection, and what the command leaves behind. */
import { describe, expect, test, type TestContext } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { compiled } from '../../support/mesh.ts';
import { requirePeers } from '../../support/peers.ts';
import { patience, type Pod, PodNetwork, requirePods } from '../../support/pods.ts';
import { callDestination, startDestinationServer } from '../../support/pods/arrivals.ts';
import type { ProgramOptions, Ran } from '../../support/pods/pod-process.ts';

const proxy: ProgramOptions = { uid: 1337 };
const application: ProgramOptions = { uid: 1000 };

const command = [process.execPath, compiled('pilot/cli/main.js'), 'capture'];

function heddle(pod: Pod, args: readonly string[], options?: ProgramOptions): Promise<Ran> {
  return pod.run([...command, ...args], options);
}

async function capture(pod: Pod, ...args: readonly string[]): Promise<void> {
  expect(await heddle(pod, args)).toEqual({ code: 0, stdout: '', stderr: '' });
}

/** What the rules are written for, and how one of them reads when it takes over what arrives. */
const backends = [
  { backend: 'nftables', redirects: 'redirect to :15006', takesOver: 'tproxy ip to :15006' },
  { backend: 'iptables', redirects: /REDIRECT|redirect to :15006/, takesOver: 'TPROXY' },
] as const;

interface Stage {
  /** With an application on ports 8080 and 15020, and a sidecar's three ports. */
  readonly pod: Pod;
  /** Whom it calls and who calls it; it has an application on port 8080, and nothing is captured. */
  readonly peer: Pod;
}

async function setStage(context: TestContext, ...captureArgs: readonly string[]): Promise<Stage> {
  requirePods(context);
  requirePeers(context, 'curl', 'python3', 'iptables');
  const network = closeAfterTest(new PodNetwork());
  const [pod, peer] = [network.addPod('pod'), network.addPod('peer')];
  const isTransparent = captureArgs.includes('TPROXY');
  const sidecar = isTransparent ? { gid: 1337 } : proxy;
  await Promise.all([
    startDestinationServer(pod, { ports: [8080, 15_020], as: application }),
    startDestinationServer(pod, { ports: [15_001, 15_053], as: sidecar }),
    startDestinationServer(pod, { ports: [15_006], isTransparent, as: sidecar }),
    startDestinationServer(peer, { ports: [8080, 8081] }),
    capture(pod, ...captureArgs),
  ]);
  return { pod, peer };
}

const addressesOf = ({ address, ipv6Address }: Pod): readonly string[] => [address, ipv6Address];

describe.each(backends)('$backend:', ({ backend }) => {
  test('a call that arrives is taken by the inbound port and tells whom it meant, but at an excluded port', async (context) => {
    const { pod, peer } = await setStage(context, '--backend', backend);
    for (const host of addressesOf(pod)) {
      const arrival = await callDestination(peer, { host, port: 8080 });
      expect(arrival).toMatchObject({ listener: 15_006, original: { address: host, port: 8080 } });
      expect(await callDestination(peer, { host, port: 15_020 })).toMatchObject({ listener: 15_020 });
    }
  });

  test('a call of the application is taken by the outbound port and tells whom it meant', async (context) => {
    const { pod, peer } = await setStage(context, '--backend', backend);
    for (const host of [...addressesOf(peer), '203.0.113.1', '2001:db8:ffff::1']) {
      const arrival = await callDestination(pod, { host, port: 8080, as: application });
      expect(arrival).toMatchObject({ listener: 15_001, original: { address: host, port: 8080 } });
    }
  });

  test("the sidecar's own calls, known by its user or its group, leave as they are", async (context) => {
    const { pod, peer } = await setStage(context, '--backend', backend);
    for (const host of addressesOf(peer)) {
      for (const as of [proxy, { gid: 1337 }]) {
        const { listener, original } = await callDestination(pod, { host, port: 8080, as });
        expect([listener, original]).toEqual([8080, undefined]);
      }
    }
  });

  test('a pod that calls itself is left alone; calls of its sidecar to its address pass the inbound side', async (context) => {
    const { pod } = await setStage(context, '--backend', backend);
    for (const host of [...addressesOf(pod), '127.0.0.1', '::1']) {
      expect(await callDestination(pod, { host, port: 8080, as: application })).toMatchObject({ listener: 8080 });
    }
    for (const host of ['127.0.0.1', '::1']) {
      expect(await callDestination(pod, { host, port: 8080, as: proxy })).toMatchObject({ listener: 8080 });
    }
    for (const host of addressesOf(pod)) {
      const arrival = await callDestination(pod, { host, port: 8080, as: proxy });
      expect(arrival).toMatchObject({ listener: 15_006, original: { address: host, port: 8080 } });
    }
  });

  test('the sidecar reaches the application at its own address from 127.0.0.6 and ::6', async (context) => {
    const { pod } = await setStage(context, '--backend', backend);
    for (const [host, from] of [
      [pod.address, '127.0.0.6'],
      [pod.ipv6Address, '::6'],
    ] as const) {
      const arrival = await callDestination(pod, { host, port: 8080, from, as: proxy });
      expect(arrival).toMatchObject({ listener: 8080, remoteAddress: from });
    }
  });

  test('what is included and excluded by port, range and interface is what the flags say', async (context) => {
    const { pod, peer } = await setStage(context, '--backend', backend, '--include-inbound-ports', '15020');
    const takes = async (port: number, host: string = peer.address): Promise<number> =>
      (await callDestination(pod, { host, port, as: application })).listener;
    expect((await callDestination(peer, { host: pod.address, port: 8080 })).listener).toBe(8080);
    expect((await callDestination(peer, { host: pod.address, port: 15_020 })).listener).toBe(15_006);

    await capture(pod, '--backend', backend, '--exclude-outbound-ports', '8081');
    expect([await takes(8080), await takes(8081)]).toEqual([15_001, 8081]);

    await capture(pod, '--backend', backend, '--exclude-outbound-ip-ranges', `${peer.address}/32,2001:db8::/64`);
    expect([await takes(8080), await takes(8080, peer.ipv6Address)]).toEqual([8080, 8080]);
    expect(await takes(8080, '203.0.113.1')).toBe(15_001);

    await capture(
      pod,
      '--backend',
      backend,
      '--include-outbound-ip-ranges',
      '203.0.113.0/24',
      '--include-outbound-ports',
      '8081',
    );
    expect([await takes(8080), await takes(8081), await takes(8080, '203.0.113.1')]).toEqual([8080, 15_001, 15_001]);

    await capture(pod, '--backend', backend, '--exclude-interfaces', 'eth0', '--include-inbound-ports', '*');
    expect([await takes(8080), (await callDestination(peer, { host: pod.address, port: 8080 })).listener]).toEqual([
      8080, 8080,
    ]);
  });

  test('TPROXY: a call that arrives keeps both of its addresses, and what leaves is redirected as ever', async (context) => {
    const { pod, peer } = await setStage(context, '--backend', backend, '--interception-mode', 'TPROXY');
    for (const [host, caller] of [
      [pod.address, peer.address],
      [pod.ipv6Address, peer.ipv6Address],
    ] as const) {
      expect(await callDestination(peer, { host, port: 8080 })).toEqual({
        listener: 15_006,
        local: { address: host, port: 8080 },
        remoteAddress: caller,
      });
      expect(await callDestination(peer, { host, port: 15_020 })).toMatchObject({ listener: 15_020 });
    }
    const outbound = await callDestination(pod, { host: peer.address, port: 8080, as: application });
    expect(outbound).toMatchObject({ listener: 15_001, original: { address: peer.address, port: 8080 } });
    const own = await callDestination(pod, { host: peer.address, port: 8080, as: { gid: 1337 } });
    expect(own).toMatchObject({ listener: 8080, remoteAddress: pod.address });
  });

  test('TPROXY: a pod that calls itself is left alone; calls of its sidecar to its address pass the inbound side', async (context) => {
    const { pod } = await setStage(context, '--backend', backend, '--interception-mode', 'TPROXY');
    for (const host of [...addressesOf(pod), '127.0.0.1', '::1']) {
      expect(await callDestination(pod, { host, port: 8080, as: application })).toMatchObject({ listener: 8080 });
    }
    for (const host of addressesOf(pod)) {
      const arrival = await callDestination(pod, { host, port: 8080, as: { gid: 1337 } });
      expect(arrival).toMatchObject({ listener: 15_006, local: { address: host, port: 8080 } });
    }
    const passed = await callDestination(pod, { host: pod.address, port: 8080, from: '127.0.0.6', as: { gid: 1337 } });
    expect(passed).toMatchObject({ listener: 8080, remoteAddress: '127.0.0.6' });
  });

  test('TPROXY: the sidecar can call the application in the name of the caller and gets the answers', async (context) => {
    const { pod, peer } = await setStage(context, '--backend', backend, '--interception-mode', 'TPROXY');
    for (const [family, caller, host] of [
      ['AF_INET', peer.address, pod.address],
      ['AF_INET6', peer.ipv6Address, pod.ipv6Address],
    ] as const) {
      const answer = await pod.require(['python3', '-c', callsAsSomebodyElse, family, caller, host], { gid: 1337 });
      expect(JSON.parse(answer)).toMatchObject({ listener: 8080, remoteAddress: caller });
    }
  });

  test('queries of the application go to the sidecar over UDP and TCP, its own to the resolver', async (context) => {
    const { pod, peer } = await setStage(context, '--backend', backend, '--redirect-dns');
    // At loopback itself: an answer from a wildcard socket would come from another address than the query went to.
    pod.start([process.execPath, '-e', answersQueries, 'sidecar', '15053', '127.0.0.1', '::1'], proxy);
    peer.start([process.execPath, '-e', answersQueries, 'resolver', '53', '::']);
    await expect.poll(() => pod.output + peer.output, patience).toBe('sidecar\nsidecar\nresolver\n');
    const ask = (host: string, as: ProgramOptions): Promise<string> =>
      pod.require([process.execPath, '-e', asks, host], as);
    for (const host of addressesOf(peer)) {
      expect(await ask(host, application)).toBe('sidecar\n');
      // The same port asks both: neither answer goes astray.
      expect(await ask(host, proxy)).toBe('resolver\n');
      const overTcp = await callDestination(pod, { host, port: 53, as: application });
      expect(overTcp).toMatchObject({ listener: 15_053, original: { address: host, port: 53 } });
    }
  });
});

/** IP_TRANSPARENT (19), IPV6_TRANSPARENT (75) and SO_MARK (36), as Envoy's original_src sets them. */
const callsAsSomebodyElse = `
import socket, sys
family, caller, host = sys.argv[1:]
s = socket.socket(getattr(socket, family))
s.settimeout(5)
s.setsockopt(*((socket.SOL_IP, 19, 1) if family == "AF_INET" else (socket.IPPROTO_IPV6, 75, 1)))
s.setsockopt(socket.SOL_SOCKET, 36, 1337)
s.bind((caller, 0))
s.connect((host, 8080))
print(s.recv(65536).decode())
`;

const answersQueries = `
const [name, port, ...hosts] = process.argv.slice(1);
for (const host of hosts) {
  const socket = require('node:dgram').createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (_, { port, address }) => socket.send(name, port, address));
  socket.bind(Number(port), host, () => console.log(name));
}
`;

/** A connected socket takes answers only from whom it asked. */
const asks = `
const [host] = process.argv.slice(1);
const socket = require('node:dgram').createSocket(host.includes(':') ? 'udp6' : 'udp4');
socket.on('message', (answer) => {
  console.log(answer.toString());
  socket.close();
});
socket.bind(40_000, () => socket.connect(53, host, () => socket.send('?')));
`;

/** Everything that the command could have changed, and what others have put beside it. */
async function readState(pod: Pod): Promise<string> {
  const listings = [
    ['nft', '--stateless', 'list', 'ruleset'],
    ...['-4', '-6'].flatMap((family) => [
      ['ip', family, 'rule'],
      ['ip', family, 'route', 'show', 'table', 'all'],
      ['ip', family, '-o', 'address'],
    ]),
  ];
  const states: string[] = [];
  for (const listing of listings) states.push(await pod.require(listing));
  return states.join('\n');
}

/** A pod that other people's rules, routes and addresses live in. */
async function furnishedPod(context: TestContext): Promise<Pod> {
  requirePods(context);
  requirePeers(context, 'iptables');
  const pod = closeAfterTest(new PodNetwork()).addPod('pod');
  await pod.require(['nft', '-f', '-'], {
    stdin: 'table inet theirs { chain output { type nat hook output priority -100; tcp dport 1 redirect to :2; }; }',
  });
  for (const program of ['iptables', 'ip6tables']) {
    for (const table of ['nat', 'mangle', 'raw']) {
      for (const chain of ['PREROUTING', 'OUTPUT']) {
        const theirs = ['-p', 'tcp', '--dport', '1', '-j', 'ACCEPT', '-m', 'comment', '--comment', 'HEDDLE_THEIRS'];
        await pod.require([program, '-t', table, '-A', chain, ...theirs]);
      }
    }
  }
  await pod.require(['ip', 'rule', 'add', 'fwmark', '7', 'lookup', '77']);
  await pod.require(['ip', 'route', 'add', 'local', 'default', 'dev', 'lo', 'table', '77']);
  await pod.require(['ip', 'route', 'add', 'unreachable', '198.51.100.0/24', 'table', '133']);
  return pod;
}

describe.each(backends)('$backend:', ({ backend, redirects, takesOver }) => {
  for (const mode of ['REDIRECT', 'TPROXY']) {
    test(`${mode}: doing it twice is doing it once, and undoing it leaves the pod as it was`, async (context) => {
      const pod = await furnishedPod(context);
      const before = await readState(pod);
      const flags = [
        '--backend',
        backend,
        '--interception-mode',
        mode,
        '--redirect-dns',
        '--exclude-interfaces',
        'eth7',
      ];
      await capture(pod, ...flags);
      const once = await readState(pod);
      expect(once).not.toBe(before);
      await capture(pod, ...flags);
      expect(await readState(pod)).toBe(once);
      await capture(pod, '--undo');
      expect(await readState(pod)).toBe(before);
      await capture(pod, '--undo');
      expect(await readState(pod)).toBe(before);
    });
  }

  test('other flags replace those of an earlier call: nothing of TPROXY stays when REDIRECT follows', async (context) => {
    const pod = await furnishedPod(context);
    await capture(pod, '--backend', backend);
    const redirect = await readState(pod);
    await capture(pod, '--backend', backend, '--interception-mode', 'TPROXY');
    expect(await readState(pod)).not.toBe(redirect);
    await capture(pod, '--backend', backend);
    expect(await readState(pod)).toBe(redirect);
  });

  test('a pod without IPv6 is captured all the same', async (context) => {
    const pod = await furnishedPod(context);
    await pod.require(['sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6']);
    const before = await readState(pod);
    await capture(pod, '--backend', backend, '--interception-mode', 'TPROXY');
    expect(await readState(pod)).toContain(takesOver);
    await capture(pod, '--undo');
    expect(await readState(pod)).toBe(before);
  });

  for (const [who, as] of [
    ['an ordinary user', { uid: 1000 }],
    ['root in a container that was not given it', { without: ['net_admin'] }],
  ] as const) {
    test(`without CAP_NET_ADMIN it says so and changes nothing: ${who}`, async (context) => {
      const pod = await furnishedPod(context);
      await capture(pod, '--backend', backend);
      const before = await readState(pod);
      for (const args of [['--backend', backend, '--interception-mode', 'TPROXY'], ['--undo']]) {
        const { code, stdout, stderr } = await heddle(pod, args, as);
        expect([code, stdout]).toEqual([1, '']);
        expect(stderr).toMatch(/^heddle: the capability CAP_NET_ADMIN .* is missing .*; nothing was changed\n$/);
        expect(await readState(pod)).toBe(before);
      }
      const printed = await heddle(pod, ['--backend', backend, '--dry-run'], as);
      expect(printed.stdout).toMatch(backend === 'iptables' ? /^-A HEDDLE_INBOUND /m : 'table inet heddle {');
    });
  }

  test('CAP_NET_ADMIN is all that root needs', async (context) => {
    const pod = await furnishedPod(context);
    const before = await readState(pod);
    const asInit = ['setpriv', '--bounding-set=-all,+net_admin', '--inh-caps=-all', '--no-new-privs', '--'];
    await pod.require([...asInit, ...command, '--backend', backend, '--interception-mode', 'TPROXY', '--redirect-dns']);
    expect(await readState(pod)).toContain(takesOver);
    await pod.require([...asInit, ...command, '--undo']);
    expect(await readState(pod)).toBe(before);
  });

  test('a step that is refused takes the earlier ones back, but none of an earlier call', async (context) => {
    const pod = await furnishedPod(context);
    await pod.require(['ip', 'link', 'set', 'lo', 'down']);
    const before = await readState(pod);
    const refusal = [1, expect.stringMatching(/^heddle: ip -6 route .*: .*not up\.\n$/)];
    const first = await heddle(pod, ['--backend', backend, '--interception-mode', 'TPROXY']);
    expect([first.code, first.stderr]).toEqual(refusal);
    expect(await readState(pod)).toBe(before);

    await capture(pod, '--backend', backend);
    const second = await heddle(pod, ['--backend', backend, '--interception-mode', 'TPROXY']);
    expect([second.code, second.stderr]).toEqual(refusal);
    expect(await readState(pod)).toMatch(redirects);
  });
});

/** Runs what follows where the folder of the system's programs has none but these. */
function withOnly(...names: readonly string[]): readonly string[] {
  const copies = names.map((name) => `cp -L /usr/sbin/${name} /mnt/${name} && `).join('');
  const back = names.map((name) => `cp /mnt/${name} /usr/sbin/ && `).join('');
  const script = `mount -t tmpfs none /mnt && ${copies}mount -t tmpfs none /usr/sbin && ${back}exec "$@"`;
  return ['unshare', '--mount', 'sh', '-c', script, 'sh'];
}

test('without nft the rules are written for iptables', async (context) => {
  const pod = await furnishedPod(context);
  const before = await readState(pod);
  const programs = ['iptables-restore', 'iptables-save', 'ip6tables-restore', 'ip6tables-save', 'ip'];
  await pod.require([...withOnly(...programs), ...command]);
  expect(await readState(pod)).toContain('chain HEDDLE_OUTBOUND');
  await pod.require([...withOnly(...programs), ...command, '--undo']);
  expect(await readState(pod)).toBe(before);
});

test('without nft and iptables it names the packages, and changes nothing', async (context) => {
  const pod = await furnishedPod(context);
  const before = await readState(pod);
  for (const [flags, message] of [
    [[], 'neither nft nor iptables-restore is installed (Debian packages nftables, iptables)'],
    [['--undo'], 'neither nft nor iptables-restore is installed (Debian packages nftables, iptables)'],
    [['--backend', 'nftables'], 'the program nft is not installed (Debian package nftables)'],
    [['--backend', 'iptables'], 'the program iptables-restore is not installed (Debian package iptables)'],
  ] as const) {
    const { code, stderr } = await pod.run([...withOnly(), ...command, ...flags]);
    expect([code, stderr]).toEqual([1, `heddle: ${message}\n`]);
  }
  expect(await readState(pod)).toBe(before);
});

test('the other backend replaces what one has left, and --undo removes what either has', async (context) => {
  const pod = await furnishedPod(context);
  const before = await readState(pod);
  const states: string[] = [];
  for (const backend of ['nftables', 'iptables', 'nftables', 'iptables']) {
    await capture(pod, '--backend', backend);
    states.push(await readState(pod));
  }
  const [nftables, iptables] = states;
  expect(nftables).not.toBe(iptables);
  expect(states.slice(2)).toEqual([nftables, iptables]);
  await capture(pod, '--undo');
  expect(await readState(pod)).toBe(before);
});

/** Where captured connections may be meant to go, in both families, and what then becomes of them. */
import { afterAll, describe, expect, test, type TestContext, vi } from 'vitest';
import { compiled } from '../../support/mesh.ts';
import { requirePeers } from '../../support/peers.ts';
import { PodMesh } from '../../support/pod-mesh.ts';
import { patience, type Pod, requirePods } from '../../support/pods.ts';

vi.setConfig({ testTimeout: 120_000 });

/** Says where it was called, by whom, and the attempt that a caller's sidecar counts where it looks at requests. */
const program = `
const http = require('http');
const answer = ({ socket, headers }, response) =>
  response.end([socket.localAddress, socket.remoteAddress].map((one) => one.replace('::ffff:', '')).join(' ') +
    ' ' + (headers['x-envoy-attempt-count'] ?? '-'));
for (const port of [9080, 9090, 9999]) http.createServer(answer).listen(port, '::');
`;

const service = (name: string, addresses: readonly string[]): string => `
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  clusterIP: ${addresses[0]}
  clusterIPs: ${JSON.stringify(addresses)}
  selector: { app: ${name} }
  ports: [{ name: http, port: 9080 }, { name: tcp, port: 9090 }]
`;

const vip = { echo: '10.96.0.50', echoIPv6: 'fd00::50', clear: '10.96.0.60', clearIPv6: 'fd00::60' };

const strictPolicy = `
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: strict }
spec: { workloadSelector: { labels: { app: strict } }, outboundTrafficPolicy: { mode: REGISTRY_ONLY } }
`;

interface Stage {
  readonly mesh: PodMesh;
  readonly caller: Pod;
  /** Its callers' connections are redirected. */
  readonly echo: Pod;
  /** As `echo`, with TPROXY. */
  readonly clear: Pod;
  /** May call what is declared, and nothing else. */
  readonly strict: Pod;
  /** It has no IPv6. */
  readonly old: Pod;
}

/** Pods take a while to start: all tests share them. */
let stage: Promise<Stage> | undefined = undefined;

async function startStage(): Promise<Stage> {
  const mesh = await PodMesh.start();
  try {
    const declared = service('echo', [vip.echo, vip.echoIPv6]) + service('clear', [vip.clear, vip.clearIPv6]);
    await mesh.apply(declared + strictPolicy);
    const serving = { port: 9080, appPorts: [9090], command: [process.execPath, '-e', program] };
    const [echo, clear, caller, strict, old] = await Promise.all([
      mesh.addWorkload({ service: 'echo', ...serving }),
      mesh.addWorkload({ service: 'clear', ...serving, mode: 'TPROXY' }),
      mesh.addWorkload({ service: 'caller' }),
      mesh.addWorkload({ service: 'strict' }),
      mesh.addWorkload({ service: 'old', withoutIPv6: true }),
    ]);
    return { mesh, echo, clear, caller, strict, old };
  } catch (error) {
    await mesh.close();
    throw error;
  }
}

async function onStage(context: TestContext): Promise<Stage> {
  requirePods(context);
  requirePeers(context, 'curl');
  stage ??= startStage();
  return stage;
}

afterAll(async () => {
  await (await stage)?.mesh.close();
});

const curl = ['curl', '--silent', '--show-error', '--max-time', '5'];

/** What the program at the address answers. */
async function get(pod: Pod, host: string, port: number): Promise<string> {
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/`;
  const { code, stdout, stderr } = await pod.run([...curl, url]);
  return code === 0 ? stdout : `curl: ${code} ${stderr}`;
}

describe('an address of a service', () => {
  test('is answered over IPv6 as over IPv4, by way of both sidecars', async (context) => {
    const { caller } = await onStage(context);
    for (const host of [vip.echo, vip.echoIPv6]) {
      await expect.poll(() => get(caller, host, 9080), patience).toBe('127.0.0.1 127.0.0.1 1');
    }
  });

  test('is answered at a TCP port of either family too, where nothing looks at requests', async (context) => {
    const { caller } = await onStage(context);
    for (const host of [vip.echo, vip.echoIPv6]) {
      await expect.poll(() => get(caller, host, 9090), patience).toBe('127.0.0.1 127.0.0.1 -');
    }
  });
});

describe('an address of a pod', () => {
  test('is answered over IPv6 as over IPv4: the connection goes where it was going', async (context) => {
    const { caller, echo } = await onStage(context);
    for (const host of [echo.address, echo.ipv6Address]) {
      expect(await get(caller, host, 9080)).toBe('127.0.0.1 127.0.0.1 1');
      expect(await get(caller, host, 9090)).toBe('127.0.0.1 127.0.0.1 -');
    }
  });
});

describe('a workload that calls itself', () => {
  test('over its service passes both sides of its sidecar', async (context) => {
    const { echo } = await onStage(context);
    for (const host of [vip.echo, vip.echoIPv6]) {
      await expect.poll(() => get(echo, host, 9080), patience).toBe('127.0.0.1 127.0.0.1 1');
    }
  });

  test('over its own address or loopback is by itself', async (context) => {
    const { echo } = await onStage(context);
    for (const host of [echo.address, echo.ipv6Address, '127.0.0.1', '::1']) {
      expect(await get(echo, host, 9080)).toBe(`${host} ${host} -`);
    }
  });
});

describe('a port that no service names', () => {
  test('is reached at the address that was called, from one that is not captured', async (context) => {
    const { caller, echo } = await onStage(context);
    expect(await get(caller, echo.address, 9999)).toBe(`${echo.address} 127.0.0.6 -`);
    expect(await get(caller, echo.ipv6Address, 9999)).toBe(`${echo.ipv6Address} ::6 -`);
  });

  test('is not reached under REGISTRY_ONLY, while services are', async (context) => {
    const { strict, echo } = await onStage(context);
    await expect.poll(() => get(strict, vip.echo, 9080), patience).toBe('127.0.0.1 127.0.0.1 1');
    for (const host of [echo.address, echo.ipv6Address]) {
      // The sidecar takes the connection and resets it, be it before or after curl has noticed that it is there.
      expect(await get(strict, host, 9999)).toMatch(/^curl: (?:7|52|55|56) /);
    }
  });
});

describe('TPROXY', () => {
  test('leads callers to the application at its own address and from theirs, in both families', async (context) => {
    const { caller, clear } = await onStage(context);
    for (const host of [vip.clear, vip.clearIPv6]) {
      await expect.poll(() => get(caller, host, 9080), patience).toBe(`${clear.address} ${caller.address} 1`);
      await expect.poll(() => get(caller, host, 9090), patience).toBe(`${clear.address} ${caller.address} -`);
    }
    expect(await get(caller, clear.ipv6Address, 9080)).toBe(`${clear.ipv6Address} ${caller.ipv6Address} 1`);
    expect(await get(caller, clear.ipv6Address, 9090)).toBe(`${clear.ipv6Address} ${caller.ipv6Address} -`);
    expect(await get(caller, clear.address, 9999)).toBe(`${clear.address} ${caller.address} -`);
    expect(await get(caller, clear.ipv6Address, 9999)).toBe(`${clear.ipv6Address} ${caller.ipv6Address} -`);
  });

  test('takes what the application calls, as REDIRECT does', async (context) => {
    const { clear, echo } = await onStage(context);
    for (const host of [vip.echo, vip.echoIPv6]) {
      await expect.poll(() => get(clear, host, 9080), patience).toBe('127.0.0.1 127.0.0.1 1');
    }
    expect(await get(clear, echo.ipv6Address, 9999)).toBe(`${echo.ipv6Address} ::6 -`);
  });

  test('has a workload that calls itself over its service pass both sides of its sidecar', async (context) => {
    const { clear } = await onStage(context);
    for (const host of [vip.clear, vip.clearIPv6]) {
      await expect.poll(() => get(clear, host, 9080), patience).toBe(`${clear.address} ${clear.address} 1`);
    }
  });
});

describe('a pod whose IPv6 is switched off', () => {
  test('calls over IPv4 as any other', async (context) => {
    const { old, echo } = await onStage(context);
    await expect.poll(() => get(old, vip.echo, 9080), patience).toBe('127.0.0.1 127.0.0.1 1');
    expect(await get(old, echo.address, 9999)).toBe(`${echo.address} 127.0.0.6 -`);
    expect(await get(old, vip.echoIPv6, 9080)).toMatch(/^curl: 7 /);
  });
});

// Last: the pods are as they were before.
describe('capture that is undone', () => {
  test.for(['REDIRECT', 'TPROXY'] as const)(
    'leaves callers and called to themselves again: %s',
    async (mode, context) => {
      const { caller, echo, clear } = await onStage(context);
      const pod = mode === 'REDIRECT' ? echo : clear;
      for (const each of [pod, caller])
        await each.require([process.execPath, compiled('pilot/cli/main.js'), 'capture', '--undo']);
      expect(await get(caller, pod.address, 9080)).toBe(`${pod.address} ${caller.address} -`);
      expect(await get(caller, pod.ipv6Address, 9080)).toBe(`${pod.ipv6Address} ${caller.ipv6Address} -`);
    },
  );
});

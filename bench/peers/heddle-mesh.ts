/**
 * Heddle with everything on: pilot and mixer as `heddle up` on the other core, the sidecar configured over ADS with a
 * canary release (a regular expression on a header first, then a weighted split), counting Istio's metrics and
 * streaming them to the mixer.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { request } from 'undici';
import { serviceHost } from '../load.ts';
import { findFreePorts } from '../../pilot/cli/free-ports.ts';
import { heddleCommand, probeHeddle } from './heddle-program.ts';
import type { Peer, Scene } from './peer.ts';

const readyDeadlineMs = 10_000;

/** From `dist/bench/peers/`. */
const exampleFolder = new URL('../../../examples/ftgo-canary/', import.meta.url);

export const heddleMesh: Peer = {
  name: 'heddle-mesh',
  setup: 'sidecar over ADS, header regex, then 95/5 split, Istio metrics streamed to mixer',
  probe: probeHeddle,
  async start(scene) {
    const xdsPort = await startControlPlane(scene);
    const [adminPort = 0] = await findFreePorts(1);
    const sidecar = await scene.startProxy(
      heddleCommand(
        'run',
        '--service=ftgo-order-service',
        '--version=v1',
        `--outbound-port=${scene.port}`,
        `--admin-port=${adminPort}`,
        `--pilot=127.0.0.1:${xdsPort}`,
      ),
    );
    await untilReady(`http://127.0.0.1:${adminPort}/ready`);
    return sidecar;
  },
};

/** A sidecar listens before it has its routes; it is ready when it has them. */
async function untilReady(url: string): Promise<void> {
  const deadline = performance.now() + readyDeadlineMs;
  for (;;) {
    const { statusCode, body } = await request(url);
    const answer = await body.text();
    if (statusCode === 200) return;
    if (performance.now() > deadline) throw new Error(`is not ready after ${readyDeadlineMs} ms: ${answer.trim()}`);
    await sleep(25);
  }
}

/** Starts pilot and mixer, applies the release, and resolves with the port of pilot's xDS server. */
async function startControlPlane(scene: Scene): Promise<number> {
  const [rest = 0, xds = 0, metrics = 0, mixer = 0] = await findFreePorts(4);
  const up = heddleCommand(
    'up',
    `--data-dir=${join(scene.directory, 'data')}`,
    `--rest-port=${rest}`,
    `--xds-port=${xds}`,
    `--metrics-port=${metrics}`,
    `--mixer-port=${mixer}`,
  );
  await scene.startHelper(up, rest);
  const [command = '', ...args] = heddleCommand(
    'apply',
    `--server=http://127.0.0.1:${rest}`,
    '-f',
    scene.writeFile('release.yaml', release(scene)),
  );
  await promisify(execFile)(command, args);
  return xds;
}

/**
 * The example's release, and where its two versions run: the same nginx under two ports, so that whatever the split
 * decides costs the same.
 */
function release({ backend }: Scene): string {
  const [v1Port, v2Port] = backend.ports;
  const service = `apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata: { name: ${serviceHost} }
spec:
  hosts: [${serviceHost}.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP }]
  endpoints:
  - { address: 127.0.0.1, ports: { http: ${v1Port} }, labels: { app: ${serviceHost}, version: v1 } }
  - { address: 127.0.0.1, ports: { http: ${v2Port} }, labels: { app: ${serviceHost}, version: v2 } }
`;
  const files = ['destination-rule.yaml', 'virtual-service.yaml'];
  return [service, ...files.map((file) => readFileSync(new URL(file, exampleFolder), 'utf8'))].join('---\n');
}

/** What the container files make, run as an engine runs it: as user 1337, with a file system that cannot be written. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, type TestContext } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { contain, type ContainerOptions } from '../../support/container.ts';
import { type Image, ImageTree, readImage } from '../../support/image-tree.ts';
import { patience, type Pod, PodNetwork, requirePods } from '../../support/pods.ts';

interface Setting {
  readonly pod: Pod;
  readonly image: Image;
  readonly folder: string;
  /** In a container of the image. */
  readonly contained: (command: readonly string[]) => readonly string[];
  readonly heddle: (...args: string[]) => readonly string[];
  /** In one of the image of capture, which is root's. */
  readonly captureWith: (options: ContainerOptions) => readonly string[];
}

let tree: ImageTree;
beforeAll(() => {
  tree = new ImageTree('proxy');
});
afterAll(() => tree.close());

function start(context: TestContext): Setting {
  requirePods(context);
  const pod = closeAfterTest(new PodNetwork()).addPod('image');
  const image = readImage('proxy');
  const contained = (command: readonly string[]): readonly string[] => contain(command, { user: image.user });
  return {
    pod,
    image,
    folder: tree.folder,
    contained,
    heddle: (...args) => contained([...tree.program, ...args]),
    captureWith: (options) => contain([...tree.program, ...readImage('capture').command], options),
  };
}

const bootstrap = `
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 15000 } } }
static_resources:
  listeners:
    - name: inbound
      address: { socket_address: { address: 127.0.0.1, port_value: 15006 } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: inbound
                route_config:
                  virtual_hosts:
                    - { name: all, domains: ['*'], routes: [{ match: { prefix: / }, direct_response: { status: 200, body: { inline_string: served } } }] }
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: { '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
`;

test('it runs as user 1337 without a capability, and can write nowhere', async (context) => {
  const { pod, contained } = start(context);
  expect(await pod.require(contained(['id', '-u']))).toBe('1337\n');
  expect(await pod.require(contained(['id', '-G']))).toBe('1337\n');
  expect(await pod.require(contained(['sh', '-c', 'grep -E "Cap(Eff|Bnd|Prm|Inh)" /proc/self/status']))).toMatch(
    /^(Cap\w+:\t0{16}\n){4}$/,
  );
  const write = contained(['sh', '-c', 'echo x > /tmp/heddle-must-not-be']);
  expect(await pod.run(write)).toMatchObject({ code: 2, stderr: expect.stringContaining('Read-only file system') });
});

test('every command of the program starts', { timeout: 60_000 }, async (context) => {
  const { pod, heddle } = start(context);
  for (const command of ['run', 'proxy', 'gateway', 'up', 'capture', 'apply', 'explain']) {
    expect(await pod.require(heddle(command, '--help'))).toContain(`heddle ${command}`);
  }
});

test('it serves, is healthy while it does, and ends on its stop signal with exit code 0', async (context) => {
  const { pod, image, heddle, contained, folder } = start(context);
  const file = join(folder, 'bootstrap.yaml');
  writeFileSync(file, bootstrap);
  const [, ...check] = image.healthCheck ?? [];
  const isHealthy = async (): Promise<boolean> => (await pod.run(contained([process.execPath, ...check]))).code === 0;
  expect(await isHealthy()).toBe(false);
  const proxy = pod.start(heddle('proxy', '--config-path', file));
  await expect.poll(isHealthy, patience).toBe(true);
  expect(await pod.require(['curl', '--silent', '--max-time', '5', 'http://127.0.0.1:15006/'])).toBe('served');
  proxy.signal('SIGTERM');
  expect(await proxy.ended).toMatchObject({ code: 0 });
  expect(await isHealthy()).toBe(false);
});

test('capture without its capability says so and changes nothing, and with that one alone does its work', async (context) => {
  const { pod, captureWith } = start(context);
  expect(readImage('capture').user).toBeUndefined();
  const lacking = await pod.run(captureWith({}));
  expect(lacking).toMatchObject({ code: 1, stderr: expect.stringContaining('CAP_NET_ADMIN') });
  expect(await pod.require(['nft', 'list', 'ruleset'])).toBe('');
  await pod.require(captureWith({ capabilities: ['NET_ADMIN'] }));
  expect(await pod.require(['nft', 'list', 'ruleset'])).toContain('15001');
});

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { compiled, fetchText, Mesh } from '../support/mesh.ts';

const anyPorts = ['--rest-port', '0', '--xds-port', '0', '--metrics-port', '0', '--mixer-port', '0'];

describe('heddle up', () => {
  let mesh: Mesh;

  beforeEach(async () => {
    mesh = await Mesh.create();
  });

  afterEach(() => mesh.close());

  test('prints one line when ready and ends with 0 on SIGTERM', async () => {
    const child = await mesh.startControlPlane();
    expect(child.output.split('\n')).toHaveLength(1);
    child.kill('SIGTERM');
    expect(await child.exited).toEqual({ code: 0, signal: null });
  });

  test('Ctrl-C ends it with 0 too', async () => {
    const child = await mesh.startControlPlane();
    child.kill('SIGINT');
    expect((await child.exited).code).toBe(0);
  });

  test('a taken port is said in one sentence, exit 1', async () => {
    await mesh.startControlPlane();
    const { code, output } = await mesh.heddle(
      'up',
      '--data-dir',
      `${mesh.dir}/other`,
      '--metrics-port',
      String(mesh.ports.rest),
    );
    expect(code).toBe(1);
    expect(output).toMatch(new RegExp(`^heddle: .*port ${mesh.ports.rest}.* is taken by another process$`));
  });

  test('a data directory that another process uses is said in one sentence, exit 1', async () => {
    await mesh.startControlPlane();
    const { code, output } = await mesh.heddle('up', '--data-dir', mesh.dataDir, ...anyPorts);
    expect(code).toBe(1);
    expect(output.split('\n')).toHaveLength(1);
    expect(output).toContain(mesh.dataDir);
  });

  test('a mesh configuration with a fault is refused with its place, exit 1, and without the file it is named', async () => {
    const file = `${mesh.dir}/mesh.yaml`;
    writeFileSync(file, 'connectTimeout: soon\n');
    const faulty = await mesh.heddle('up', '--mesh-config', file);
    expect(faulty.code).toBe(1);
    expect(faulty.output).toMatch(/^heddle: .*mesh\.yaml:1: connectTimeout: .*"soon"$/);
    const missing = await mesh.heddle('up', '--mesh-config', `${mesh.dir}/none.yaml`);
    expect(missing).toMatchObject({ code: 1, output: `heddle: ${mesh.dir}/none.yaml: no such file` });
  });

  test.each([
    ['where the mixer listens', []],
    ['where --mixer-address says', ['--mixer-address', '127.0.0.1:4321']],
  ])('sidecars are told to report %s', async (_, options) => {
    await mesh.startControlPlane(...options);
    const { adminUrl } = await mesh.startSidecar({ service: 'web', hasApplication: false });
    const expected = options[1] ?? `127.0.0.1:${mesh.ports.mixer}`;
    expect(await fetchText(`${adminUrl}/clusters`)).toContain(`mixer::${expected}::`);
  });

  test('tokens of shared limits are kept where --redis says, and what is no Redis is refused', async () => {
    const redis = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void redis.close());
    await once(redis, 'listening');
    const greeting = (async (): Promise<string> => {
      const [socket] = (await once(redis, 'connection')) as [Socket];
      const [bytes] = (await once(socket, 'data')) as [Buffer];
      socket.destroy();
      return bytes.toString();
    })();
    mesh.start('heddle up', [
      compiled('pilot/cli/main.js'),
      'up',
      '--data-dir',
      mesh.dataDir,
      ...anyPorts,
      '--redis',
      `redis://127.0.0.1:${(redis.address() as AddressInfo).port}`,
    ]);
    expect(await greeting).toMatch(/^\*\d+\r\n\$\d+\r\n(HELLO|CLIENT)\r\n/);
    const { code, output } = await mesh.heddle('up', '--redis', 'http://127.0.0.1:6379');
    expect(code).toBe(2);
    expect(output).toMatch(/--redis <url>.*A URL of Redis is expected, for example redis:/);
  });

  test('what was applied is there after a restart', async () => {
    const child = await mesh.startControlPlane();
    await mesh.applyExample('destination-rule.yaml');
    child.kill('SIGTERM');
    await child.exited;
    await mesh.startControlPlane();
    const { output } = await mesh.heddle('get', 'dr', '-o', 'name');
    expect(output).toBe('destinationrule.networking.istio.io/ftgo-consumer-service');
  });
});

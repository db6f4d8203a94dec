import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fetchText, Mesh } from '../support/mesh.ts';

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
    const free = ['--rest-port', '0', '--xds-port', '0', '--metrics-port', '0', '--mixer-port', '0'];
    const { code, output } = await mesh.heddle('up', '--data-dir', mesh.dataDir, ...free);
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

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Child } from '../../examples/ftgo-canary/child.ts';
import { eventually, Mesh } from '../support/mesh.ts';
import { type Client, countVersions, failuresOf } from '../support/traffic.ts';

describe('pilot is killed under traffic', () => {
  let mesh: Mesh;
  let controlPlane: Child;
  let client: Client;

  beforeAll(async () => {
    mesh = await Mesh.create();
    controlPlane = await mesh.startControlPlane();
    await Promise.all(['v1', 'v2'].map((version) => mesh.startSidecar({ service: 'ftgo-consumer-service', version })));
    const caller = await mesh.startSidecar({ service: 'ftgo-order-service', hasApplication: false });
    await mesh.applyExample('destination-rule.yaml', 'virtual-service.yaml');
    client = mesh.connect(caller, 'ftgo-consumer-service');
    await eventually(async () => ((await client.call({ testuser: 'probe' })).version === 'v2' ? true : undefined));
  });

  afterAll(() => mesh.close());

  const listNames = async (kind: string): Promise<string> => (await mesh.heddle('get', kind, '-o', 'name')).output;
  const isSynced = async (): Promise<true | undefined> => {
    const { code, output } = await mesh.heddle('proxy-status');
    expect(code).toBe(0);
    expect(output).not.toMatch(/STALE|NACK/);
    expect(output.match(/ftgo-\S+/g)).toHaveLength(3);
    return true;
  };

  test('nothing fails; restarted, it has every resource and the sidecars come back by themselves', async () => {
    const before = [await listNames('virtualservices'), await listNames('destinationrules')];
    expect(before.join('\n')).toMatch(/ftgo-consumer-service[^]*ftgo-consumer-service/);
    const stop = client.keepCalling();

    controlPlane.kill('SIGKILL');
    expect((await controlPlane.exited).signal).toBe('SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await mesh.startControlPlane();
    expect([await listNames('virtualservices'), await listNames('destinationrules')]).toEqual(before);
    await eventually(isSynced, 15_000);

    await mesh.applyExample('release/5-all-to-v2.yaml');
    await eventually(async () => {
      const calls = await client.callMany(50);
      return countVersions(calls)['v2'] === 50 ? true : undefined;
    });
    const calls = await stop();
    expect(failuresOf(calls)).toEqual([]);
    expect(calls.length).toBeGreaterThan(1000);
  });
});

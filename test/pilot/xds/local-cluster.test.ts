import { afterEach, describe, expect, test } from 'vitest';
import type { NodeMetadata } from '../../../proxy/api/node.ts';
import { parseLocality } from '../../../pilot/model/locality.ts';
import { destinationRuleYaml, serviceYaml } from '../networking/scenario.ts';
import { ControlPlane, turn } from './control-plane.ts';
import { addressesIn, type FakeSidecar } from './fake-sidecar.ts';

const rule = destinationRuleYaml('{ host: reviews, trafficPolicy: { loadBalancer: { zoneAwareLbSetting: {} } } }');
const empty = { local_cluster: [] };

let controlPlane: ControlPlane;
afterEach(() => controlPlane.close());

let count = 0;
const web = (more: Partial<NodeMetadata> = {}): Partial<NodeMetadata> => {
  count += 1;
  return {
    name: `web-${count}`,
    service: 'web',
    workloadName: 'web-v1',
    address: `10.9.0.${count}`,
    labels: { app: 'web' },
    locality: parseLocality('r1/a'),
    ...more,
  };
};

async function connectAs(metadata: Partial<NodeMetadata>): Promise<FakeSidecar> {
  const sidecar = await controlPlane.connectSynced(metadata);
  sidecar.subscribe('EDS', ['mixer', 'local_cluster']);
  await sidecar.barrier();
  return sidecar;
}

/** What arrived for the local cluster since the last look; undefined when nothing did. */
async function pushedTo(sidecar: FakeSidecar): Promise<readonly string[] | undefined> {
  await turn();
  await sidecar.barrier();
  const found = sidecar.pending.flatMap((received) =>
    received.type === 'EDS' ? Object.entries(addressesIn(received)).filter(([name]) => name === 'local_cluster') : [],
  );
  sidecar.takeAll();
  return found
    .at(-1)?.[1]
    .map((address) => address.replace(/:.*/, ''))
    .sort();
}

describe('the local cluster', () => {
  test('is the instances of the same workload in the same region, and follows them', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('reviews') + rule);
    count = 0;
    const first = await connectAs(web());
    expect(await pushedTo(first)).toEqual(['10.9.0.1']);
    const second = await connectAs(web({ locality: parseLocality('r1/b') }));
    expect(await pushedTo(first)).toEqual(['10.9.0.1', '10.9.0.2']);
    expect(await pushedTo(second)).toEqual(['10.9.0.1', '10.9.0.2']);
    // Another region, another workload, another revision, another service.
    await connectAs(web({ locality: parseLocality('r2/a') }));
    await connectAs(web({ workloadName: 'web-v2' }));
    await connectAs(web({ labels: { app: 'web', 'pod-template-hash': 'x' } }));
    await connectAs(web({ service: 'api', workloadName: 'api-v1' }));
    expect(await pushedTo(first)).toBeUndefined();
    second.close();
    await expect.poll(() => pushedTo(first)).toEqual(['10.9.0.1']);
  });

  test('is empty of a workload without service, which waits for it all the same', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('reviews') + rule);
    const client = controlPlane.connect({ service: '', name: 'client', appPort: 0, inboundPort: 0 });
    client.subscribe('EDS', ['local_cluster']);
    expect(addressesIn(await client.next('EDS'))).toEqual(empty);
  });

  test('is empty while no rule asks for zones, filled by the first that does, and emptied with the last', async () => {
    controlPlane = await ControlPlane.start(serviceYaml('reviews'));
    count = 0;
    const sidecar = await connectAs(web());
    expect(await pushedTo(sidecar)).toEqual([]);
    await controlPlane.apply(rule);
    expect(await pushedTo(sidecar)).toEqual(['10.9.0.1']);
    await controlPlane.apply(rule.replace('{}', '{ enabled: false }'));
    expect(await pushedTo(sidecar)).toEqual([]);
  });
});

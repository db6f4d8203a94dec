import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { revisionOf } from '../../../crds/canary.ts';
import { destinationRuleYaml, serviceYaml } from '../networking/scenario.ts';
import { ControlPlane, turn } from './control-plane.ts';
import type { FakeSidecar } from './fake-sidecar.ts';

const spec = { host: 'reviews', subsets: { primary: 'v1', canary: 'v2' } };

describe('the status of a Canary', () => {
  let controlPlane: ControlPlane;
  let sidecar: FakeSidecar;

  beforeEach(async () => {
    const subsets =
      '{ host: reviews, subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }] }';
    controlPlane = await ControlPlane.start(serviceYaml('reviews') + destinationRuleYaml(subsets));
    await write(5, {});
    sidecar = await controlPlane.connectClient();
  });
  afterEach(() => controlPlane.close());

  async function write(weight: number, evidence: object, canarySpec: object = spec): Promise<void> {
    const routing = { weight, toMatched: false, mirrorPercent: 0 };
    const status = { phase: 'Progressing', revision: revisionOf(spec), routing, ...evidence };
    const metadata = { name: 'reviews', namespace: 'default' };
    const resource = {
      apiVersion: 'networking.heddle.dev/v1alpha1',
      kind: 'Canary',
      metadata,
      spec: canarySpec,
      status,
    };
    await controlPlane.store.commit([{ op: 'put', resource }]);
    await turn();
  }

  async function pushes(): Promise<string[]> {
    await turn();
    await sidecar.barrier();
    const types = sidecar.pending.map(({ type }) => type);
    sidecar.takeAll();
    return types;
  }

  test('is pushed when it changes what is routed', async () => {
    await write(20, {});
    expect(await pushes()).toEqual(['RDS']);
    await write(0, { phase: 'Failed' });
    expect(await pushes()).toEqual(['RDS']);
  });

  test('is not when it is evidence, a hundred times', async () => {
    for (let i = 0; i < 100; i += 1) {
      const counts = { primary: { requests: i * 100, errors: i }, canary: { requests: i, errors: 0 } };
      await write(5, { counts, eValue: i, lease: { holder: 'a', renewedAt: String(i), seconds: 5 } });
    }
    expect(await pushes()).toEqual([]);
  });
});

import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Node, NodeMetadata } from '../../../proxy/api/node.ts';
import { nodeIdOf } from '../../../proxy/api/node.ts';
import { WorkloadRegistry } from '../../../pilot/registry/workload-registry.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { metadataOf, sidecarWorkload } from '../networking/scenario.ts';

const nodeOf = (given: Partial<NodeMetadata> = {}): Node => {
  const metadata = metadataOf(given);
  return { id: nodeIdOf(metadata), cluster: '', metadata };
};
const { id } = nodeOf();

let clock: ManualClock;
let registry: WorkloadRegistry;
let changes: () => void;

beforeEach(() => {
  clock = new ManualClock();
  registry = new WorkloadRegistry(clock);
  changes = vi.fn<() => void>();
  registry.subscribe(changes);
});

describe('workload registry', () => {
  test('a workload is registered until its stream ends', () => {
    const unregister = registry.register(nodeOf());
    expect(registry.workloads()).toEqual([sidecarWorkload()]);
    unregister();
    unregister();
    expect(registry.workloads()).toEqual([]);
    expect(changes).toHaveBeenCalledTimes(2);
  });

  test('a pure client is no workload', () => {
    registry.register(nodeOf({ appPort: 0, inboundPort: 0 }))();
    expect(changes).not.toHaveBeenCalled();
  });

  test('a newer stream of the same node takes over; the end of the older removes nothing', () => {
    const older = registry.register(nodeOf());
    const [before] = registry.workloads();
    const newer = registry.register(nodeOf());
    older();
    expect(registry.workloads()[0]).toBe(before);
    expect(changes).toHaveBeenCalledTimes(1);
    newer();
    expect(registry.workloads()).toEqual([]);
  });

  test('a withdrawn workload is gone, whoever registered it; the end of its stream then removes nothing', () => {
    const older = registry.register(nodeOf());
    expect(registry.isRegistered(nodeOf())).toBe(true);
    registry.withdraw(nodeOf());
    registry.withdraw(nodeOf());
    expect(registry.isRegistered(nodeOf())).toBe(false);
    expect(changes).toHaveBeenCalledTimes(2);
    registry.register(nodeOf());
    older();
    expect(registry.workloads()).toEqual([sidecarWorkload()]);
  });

  test('a newer stream may say something else', () => {
    registry.register(nodeOf());
    registry.register(nodeOf({ name: nodeOf().metadata.name, labels: { version: 'v2' } }));
    expect(registry.workloads().map(({ labels }) => labels)).toMatchObject([{ version: 'v2' }]);
    expect(changes).toHaveBeenCalledTimes(2);
  });

  test('an ended subscription hears nothing', () => {
    const listener = vi.fn<() => void>();
    registry.subscribe(listener)();
    registry.register(nodeOf());
    expect(listener).not.toHaveBeenCalled();
  });
});

describe('after a restart', () => {
  const other = sidecarWorkload({ name: 'other', address: '10.0.0.2' });

  test('workloads of before count until their sidecar is back, and then as long as its stream', () => {
    registry.restore(new Map([[id, sidecarWorkload()]]), 1000);
    expect(registry.workloads()).toEqual([sidecarWorkload()]);
    const unregister = registry.register(nodeOf());
    clock.advance(1000);
    expect(registry.workloads()).toEqual([sidecarWorkload()]);
    expect(changes).toHaveBeenCalledTimes(1);
    unregister();
    expect(registry.workloads()).toEqual([]);
  });

  test('those whose sidecar does not come back are removed after the grace', () => {
    registry.restore(
      new Map([
        [id, sidecarWorkload()],
        ['other', other],
      ]),
      1000,
    );
    registry.register(nodeOf());
    clock.advance(999);
    expect(registry.workloads()).toHaveLength(2);
    clock.advance(1);
    expect(registry.workloads()).toEqual([sidecarWorkload()]);
  });

  test('one that is waited for can be withdrawn', () => {
    registry.restore(new Map([[id, sidecarWorkload()]]), 1000);
    registry.withdraw(nodeOf());
    expect(registry.workloads()).toEqual([]);
    clock.advance(1000);
    expect(changes).toHaveBeenCalledTimes(2);
  });

  test('a new workload at the address of one that is waited for replaces it', () => {
    registry.restore(
      new Map([
        ['gone', sidecarWorkload({ name: 'gone' })],
        ['other', other],
      ]),
      1000,
    );
    registry.register(nodeOf());
    expect(registry.workloads().map(({ name }) => name)).toEqual(['other', 'reviews-v1-1']);
  });
});

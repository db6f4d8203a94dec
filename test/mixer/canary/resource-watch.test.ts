import { afterEach, describe, expect, test } from 'vitest';
import type { Resource } from '../../../crds/resource.ts';
import { PilotError, type PilotApi, type ResourceList, type WatchEvent } from '../../../mixer/canary/pilot-client.ts';
import { ResourceWatch } from '../../../mixer/canary/resource-watch.ts';
import { silentLogger } from '../../../proxy/common/log.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { canary } from './canaries.ts';
import { settle } from './release-world.ts';

const named = (name: string, resourceVersion: string): Resource => {
  const resource = canary({});
  return { ...resource, metadata: { ...resource.metadata, name, resourceVersion } };
};

type Watched = (resourceVersion: string, signal: AbortSignal) => AsyncIterable<WatchEvent>;

/** A pilot that answers as the test says. */
function startWatch(list: () => ResourceList, watch: Watched) {
  const clock = new ManualClock();
  const asked: string[] = [];
  let changes = 0;
  const pilot = {
    list: () => {
      asked.push('list');
      return Promise.resolve().then(list);
    },
    watch: (_kind: string, version: string, signal: AbortSignal) => {
      asked.push(`watch ${version}`);
      return watch(version, signal);
    },
  } as Partial<PilotApi> as PilotApi;
  const resources = new ResourceWatch({
    pilot,
    kind: 'Canary',
    clock,
    logger: silentLogger,
    random: () => 0.999,
    onChange: () => (changes += 1),
  });
  resources.start();
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 100) {
      await settle();
      clock.advance(Math.min(100, left));
    }
    await settle();
  };
  running.push(resources);
  return { resources, asked, pass, changes: () => changes, names: () => [...resources.items.keys()] };
}

const running: ResourceWatch[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((resources) => resources.close()));
});

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
}

const oneItem = (): ResourceList => ({ resourceVersion: '5', items: [named('a', '3')] });

describe('resources of pilot', () => {
  test('are listed, and followed from the version of the list', async () => {
    const { asked, names, pass, changes } = startWatch(oneItem, async function* (_, signal) {
      yield { type: 'ADDED', object: named('b', '6') };
      yield { type: 'BOOKMARK', object: named('', '9') };
      yield { type: 'DELETED', object: named('a', '10') };
      await untilAborted(signal);
    });
    await pass(100);
    expect(names()).toEqual(['default/b']);
    expect(asked).toEqual(['list', 'watch 5']);
    expect(changes()).toBe(3);
  });

  test('a watch that ends goes on where it ended, and is not asked without end', async () => {
    const { asked, pass } = startWatch(oneItem, async function* (version) {
      yield { type: 'BOOKMARK', object: named('', String(Number(version) + 1)) };
    });
    await pass(10_000);
    expect(asked.slice(0, 3)).toEqual(['list', 'watch 5', 'watch 6']);
    expect(asked.length).toBeLessThan(150);
  });

  test('after a watch that fell behind everything is listed again', async () => {
    let isFirst = true;
    const { asked, pass } = startWatch(oneItem, async function* (_, signal) {
      if (!isFirst) await untilAborted(signal);
      if (!isFirst) return;
      isFirst = false;
      yield { type: 'ERROR', object: named('', '') };
    });
    await pass(1000);
    expect(asked).toEqual(['list', 'watch 5', 'list', 'watch 5']);
  });

  test('where watching is refused they are listed once a second', async () => {
    const { asked, pass } = startWatch(oneItem, () => {
      throw new PilotError(400, 'query parameter watch is not supported yet');
    });
    await pass(10_000);
    expect(asked.filter((what) => what === 'list').length).toBeGreaterThanOrEqual(9);
    expect(asked.filter((what) => what === 'list').length).toBeLessThanOrEqual(11);
  });

  test('stay as they were last known while pilot is gone, which is asked less and less', async () => {
    let isDown = false;
    const { asked, names, pass } = startWatch(
      () => {
        if (isDown) throw new Error('connection refused');
        return oneItem();
      },
      async function* () {
        isDown = true;
        yield { type: 'BOOKMARK', object: named('', '5') };
        throw new Error('terminated');
      },
    );
    await pass(60_000);
    expect(names()).toEqual(['default/a']);
    expect(asked.length).toBeLessThan(30);
    isDown = false;
    const before = asked.length;
    await pass(6000);
    expect(asked.slice(before)).toContain('watch 5');
  });
});

import { describe, expect, test } from 'vitest';
import { planZoneRoutes, type ZoneCount } from '../../../proxy/upstream/zone-routing.ts';

/** `upstream/local` per locality. */
function zonesOf(text: string): ZoneCount[] {
  return text.split(' ').map((zone) => {
    const [upstream = 0, local = 0] = zone.split('/').map(Number);
    return { upstream, local };
  });
}

function plan(text: string, own = 0) {
  const zones = zonesOf(text);
  return planZoneRoutes(
    zones,
    zones.reduce((sum, { local }) => sum + local, 0),
    own,
  );
}

describe('where requests go', () => {
  test.each(['4/4 4/4', '6/2 2/6', '5/1 5/1', '1/0 9/3', '2/2 0/2'])(
    '%s: as many hosts here as callers, so all stay',
    (zones) => {
      expect(plan(zones)).toEqual({ kind: 'direct' });
    },
  );

  test('more callers than hosts here: what is too much goes where there is room, in proportion to it', () => {
    // The example of Envoy's sources: 40, 40 and 20 % of the callers, 25, 50 and 25 % of the hosts.
    expect(plan('5/8 10/8 5/4')).toEqual({ kind: 'residual', localShare: 6_250, capacities: [0, 1_000, 500] });
  });

  test('no healthy host here, or no host at all: all leave', () => {
    expect(plan('0/4 4/2 4/0')).toEqual({ kind: 'residual', localShare: 0, capacities: [0, 1_667, 5_000] });
    expect(plan('4/2 4/0', -1)).toMatchObject({ kind: 'residual', localShare: 0 });
  });

  test('every host gets as many requests as any other when all callers send as many', () => {
    // Each caller's locality is the own one once; callers send 1 each.
    const zones = zonesOf('5/8 10/8 5/4');
    const load = zones.map(() => 0);
    for (const [own, { local }] of zones.entries()) {
      const routes = planZoneRoutes(zones, 20, own);
      const stay = routes.kind === 'direct' ? 1 : routes.localShare / 10_000;
      load[own] = (load[own] ?? 0) + local * stay;
      if (routes.kind === 'direct') continue;
      const total = routes.capacities.reduce((sum, capacity) => sum + capacity, 0);
      for (const [i, capacity] of routes.capacities.entries()) {
        load[i] = (load[i] ?? 0) + (local * (1 - stay) * capacity) / total;
      }
    }
    expect(load.map((requests, i) => requests / (zones[i]?.upstream ?? 1))).toEqual([1, 1, 1]);
  });

  test('rounding may leave no room', () => {
    const routes = planZoneRoutes(zonesOf('1/1 1/1 1/1'), 3, -1);
    expect(routes).toEqual({ kind: 'residual', localShare: 0, capacities: [0, 0, 0] });
  });
});

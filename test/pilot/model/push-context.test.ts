import { describe, expect, test } from 'vitest';
import { compareContexts } from '../../../pilot/model/push-context.ts';
import { discover } from '../../../pilot/registry/service-discovery.ts';
import { resourcesOf, serviceYaml, sidecarWorkload } from '../networking/scenario.ts';

const resources = resourcesOf(serviceYaml('reviews') + serviceYaml('ratings'));
const first = sidecarWorkload();
const second = sidecarWorkload({ name: 'reviews-v1-2', address: '10.0.0.2' });
const before = discover({ revision: 1, resources, workloads: [first] });

describe('push context', () => {
  test('a workload more changes its service and no configuration', () => {
    const after = discover({ revision: 1, resources, workloads: [first, second] }, before);
    expect(compareContexts(before, after)).toEqual({
      isConfigChanged: false,
      areAddressesChanged: false,
      hostnames: ['reviews.default.svc.cluster.local'],
    });
    expect(after.workloads.get('ratings.default.svc.cluster.local')).toBe(
      before.workloads.get('ratings.default.svc.cluster.local'),
    );
  });

  test('the same input again changes nothing, whatever the order of registration', () => {
    const after = discover({ revision: 1, resources, workloads: [second, first] }, before);
    const again = discover({ revision: 1, resources, workloads: [first, second] }, after);
    expect(compareContexts(after, again)).toEqual({
      isConfigChanged: false,
      areAddressesChanged: false,
      hostnames: [],
    });
  });

  test('a resource that was written again is a new configuration', () => {
    const written = resources.map((resource, i) => (i === 0 ? { ...resource } : resource));
    const after = discover({ revision: 2, resources: written, workloads: [first] }, before);
    expect(compareContexts(before, after)).toEqual({
      isConfigChanged: true,
      areAddressesChanged: false,
      hostnames: [],
    });
  });

  test('a new revision with the same resources is none', () => {
    const after = discover({ revision: 2, resources, workloads: [first] }, before);
    expect(compareContexts(before, after)).toEqual({
      isConfigChanged: false,
      areAddressesChanged: false,
      hostnames: [],
    });
  });

  test('the first workload of a service that nobody declared is a new configuration, the second is not', () => {
    const carts = sidecarWorkload({ service: 'carts', name: 'carts-1' });
    const appeared = discover({ revision: 1, resources, workloads: [first, carts] }, before);
    expect(compareContexts(before, appeared).isConfigChanged).toBe(true);
    expect(appeared.config.services.find('carts.default.svc.cluster.local')?.ports).toEqual([
      { name: 'http', number: 80, protocol: 'HTTP', targetPort: 80, isImplicit: true },
    ]);
    const more = discover(
      { revision: 1, resources, workloads: [first, carts, { ...carts, name: 'carts-2', address: '10.0.0.9' }] },
      appeared,
    );
    expect(compareContexts(appeared, more)).toEqual({
      isConfigChanged: false,
      areAddressesChanged: false,
      hostnames: ['carts.default.svc.cluster.local'],
    });
    expect(discover({ revision: 1, resources, workloads: [first] }, more).config.services.all.length).toBe(2);
  });

  test('a workload more of a service that is reached at its workloads changes addresses, and no configuration', () => {
    const yaml = serviceYaml('db', { ports: '[{ name: tcp, port: 5432 }]' });
    const given = { revision: 1, resources: resourcesOf(yaml) };
    const one = sidecarWorkload({ service: 'db', name: 'db-0', interceptionMode: 'REDIRECT' });
    const context = discover({ ...given, workloads: [one] });
    const after = discover({ ...given, workloads: [one, { ...one, name: 'db-1', address: '10.0.0.9' }] }, context);
    expect(compareContexts(context, after)).toEqual({
      isConfigChanged: false,
      areAddressesChanged: true,
      hostnames: ['db.default.svc.cluster.local'],
    });
    expect(discover({ ...given, workloads: [one] }, context).addressed).toBe(context.addressed);
  });
});

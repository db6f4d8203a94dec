import { describe, expect, test } from 'vitest';
import { revisionOf } from '../../../crds/canary.ts';
import type { Resource } from '../../../crds/resource.ts';
import { type Discovered, discover } from '../../../pilot/registry/service-discovery.ts';
import { contextOf, serviceYaml, sidecarWorkload } from '../networking/scenario.ts';

const serviceEntry = (hosts: string, rest = 'location: MESH_INTERNAL'): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: entry }
spec: { hosts: ${hosts}, ports: [{ number: 80, name: http, protocol: HTTP }], resolution: STATIC, ${rest} }
`;

describe('services', () => {
  test('come from Service and ServiceEntry, one per host, sorted by hostname', () => {
    const services = contextOf(serviceYaml('reviews') + serviceEntry('[b.example.com, A.example.com]')).config.services
      .all;
    expect(services.map(({ hostname }) => hostname)).toEqual([
      'a.example.com',
      'b.example.com',
      'reviews.default.svc.cluster.local',
    ]);
  });

  test('a Service counts before a ServiceEntry for the same host', () => {
    const entry = serviceEntry('[reviews.default.svc.cluster.local]', 'location: MESH_EXTERNAL');
    const services = contextOf(entry + serviceYaml('reviews', { ports: '[{ name: http, port: 9080 }]' })).config
      .services.all;
    expect(services).toHaveLength(1);
    expect(services[0]?.ports.map(({ number }) => number)).toEqual([9080]);
  });

  test('a ServiceEntry is outside the mesh unless it says otherwise', () => {
    const isExternal = (yaml: string) => contextOf(yaml).config.services.all[0]?.isMeshExternal;
    expect(isExternal(serviceEntry('[a.example.com]', 'endpoints: [{ address: 192.0.2.1 }]'))).toBe(true);
    expect(isExternal(serviceEntry('[a.example.com]'))).toBe(false);
  });

  test('of which nobody declared any have the ports that intercepted workloads list, beside HTTP at 80', () => {
    const at = (name: string, appPorts: number[]) =>
      sidecarWorkload({ name, service: 'echo', interceptionMode: 'REDIRECT', appPorts });
    const [service] = contextOf('', [at('a', [9000, 7]), at('b', [7])]).config.services.all;
    expect(service?.hostname).toBe('echo.default.svc.cluster.local');
    expect(service?.ports).toEqual([
      { name: 'http', number: 80, protocol: 'HTTP', targetPort: 9000, isImplicit: true },
      { name: '', number: 7, protocol: 'UNSUPPORTED', targetPort: 7 },
      { name: '', number: 9000, protocol: 'UNSUPPORTED', targetPort: 9000 },
    ]);
  });

  test('are not made of an intercepted application without ports: it only calls others', () => {
    const shell = sidecarWorkload({ service: 'shell', interceptionMode: 'REDIRECT', appPort: 0 });
    expect(contextOf('', [shell]).config.services.all).toEqual([]);
    expect(contextOf(serviceYaml('shell'), [shell]).workloads.get('shell.default.svc.cluster.local')).toEqual([shell]);
  });

  test('the short name of a host in the cluster has no domain', () => {
    const nameOf = (host: string) => contextOf(serviceEntry(`[${host}]`)).config.services.all[0]?.name;
    expect(nameOf('carts.default.svc.cluster.local')).toBe('carts');
    expect(nameOf('api.example.com')).toBe('api.example.com');
  });

  test('a declared service replaces the implicit one, with its workloads', () => {
    const workload = sidecarWorkload();
    const implicit = contextOf('', [workload]);
    const declared = contextOf(serviceYaml('reviews', { ports: '[{ name: http, port: 9080 }]' }), [workload]);
    expect(implicit.config.services.all[0]?.ports[0]?.number).toBe(80);
    expect(declared.config.services.all.map(({ ports }) => ports[0]?.number)).toEqual([9080]);
    expect(declared.workloads.get('reviews.default.svc.cluster.local')).toEqual([workload]);
  });
});

test('evidence of a Canary leaves the configuration as it is; what it routes, and what users write, does not', () => {
  const spec = { host: 'reviews', subsets: { primary: 'v1', canary: 'v2' } };
  const canary = (weight: number, evidence: object, generation = 1): Resource => ({
    apiVersion: 'networking.heddle.dev/v1alpha1',
    kind: 'Canary',
    metadata: { name: 'a', namespace: 'default', uid: 'a', resourceVersion: '1', generation, creationTimestamp: '' },
    spec,
    status: { revision: revisionOf(spec), routing: { weight, toMatched: false, mirrorPercent: 0 }, ...evidence },
  });
  const at = (revision: number, resource: Resource, previous?: Discovered): Discovered =>
    discover({ revision, resources: [resource], workloads: [] }, previous);
  const first = at(1, canary(5, {}));
  const second = at(2, canary(5, { eValue: 7, phase: 'Progressing' }), first);
  expect(second.config).toBe(first.config);
  expect(at(3, canary(20, { eValue: 7 }), second).config).not.toBe(first.config);
  expect(at(3, canary(5, { eValue: 7 }, 2), second).config).not.toBe(first.config);
});

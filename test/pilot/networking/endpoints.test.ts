import { describe, expect, test } from 'vitest';
import type { LbEndpoint } from '../../../proxy/api/envoy.gen.ts';
import type { NodeMetadata } from '../../../proxy/api/node.ts';
import { buildLoadAssignment, selectEndpoints } from '../../../pilot/networking/endpoints.ts';
import type { Workload } from '../../../pilot/model/workload.ts';
import { clientAt, contextOf, destinationRuleYaml, serviceYaml, sidecarWorkload } from './scenario.ts';

const hostname = 'reviews.default.svc.cluster.local';

function endpointsOf(
  yaml: string,
  workloads: readonly Workload[],
  { subset = '', port = 80, host = hostname } = {},
): LbEndpoint[] {
  const { config, workloads: byHostname } = contextOf(yaml, workloads);
  const selection = selectEndpoints(config, `outbound|${port}|${subset}|${host}`, clientAt());
  if (selection === undefined) throw new Error('there is no such cluster');
  return buildLoadAssignment(byHostname.get(host) ?? [], selection).endpoints?.[0]?.lb_endpoints ?? [];
}

const addressOf = ({ endpoint }: LbEndpoint): string =>
  `${endpoint?.address?.socket_address?.address}:${endpoint?.address?.socket_address?.port_value}`;

const v1 = sidecarWorkload({ name: 'reviews-v1-a', address: '10.0.0.1', labels: { app: 'reviews', version: 'v1' } });
const v2 = sidecarWorkload({ name: 'reviews-v2-a', address: '10.0.0.2', labels: { app: 'reviews', version: 'v2' } });
const entry = (name: string, spec: string): string => `
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name} }
spec: ${spec}
`;

const hiddenService = `
---
apiVersion: v1
kind: Service
metadata: { name: reviews, annotations: { networking.istio.io/exportTo: "." } }
spec: { ports: [{ port: 80 }] }
`;

describe('endpoints', () => {
  test('stand behind no cluster for a client that the service is not exported to', () => {
    const config = contextOf(entry('reviews', '{ address: 10.0.0.1 }') + hiddenService).config;
    const select = (namespace: string) =>
      selectEndpoints(config, `outbound|80||${hostname}`, { ...clientAt(), namespace });
    expect(select('default')).toBeDefined();
    expect(select('web')).toBeUndefined();
  });

  test('a sidecar is reached at its address and inbound port, whatever port of the service is meant', () => {
    const yaml = serviceYaml('reviews', { ports: '[{ name: a, port: 80, targetPort: 1234 }, { name: b, port: 81 }]' });
    expect(endpointsOf(yaml, [v1], { port: 80 }).map(addressOf)).toEqual(['10.0.0.1:15006']);
    expect(endpointsOf(yaml, [v1], { port: 81 }).map(addressOf)).toEqual(['10.0.0.1:15006']);
  });

  test('an intercepted workload is reached at its address and the target port: its sidecar is on the way', () => {
    const ports = '[{ name: http, port: 80, targetPort: 8080 }, { name: tcp, port: 5432 }]';
    const at = (port: number, given: Partial<NodeMetadata>) =>
      endpointsOf(serviceYaml('reviews', { ports }), [sidecarWorkload(given)], { port }).map(addressOf);
    const several = { interceptionMode: 'REDIRECT', appPorts: [8080, 5432] } as const;
    expect(at(80, several)).toEqual(['10.0.0.1:8080']);
    expect(at(5432, several)).toEqual(['10.0.0.1:5432']);
    expect(at(80, { interceptionMode: 'TPROXY' })).toEqual(['10.0.0.1:8080']);
    // An application with one port has nothing else that could be meant, as where its sidecar is addressed.
    expect(at(80, { interceptionMode: 'REDIRECT', appPorts: [9999] })).toEqual(['10.0.0.1:9999']);
  });

  test('tell who listens there, in the words of Istio', () => {
    const [endpoint] = endpointsOf(serviceYaml('reviews'), [v2]);
    expect(endpoint?.metadata?.filter_metadata).toEqual({
      istio: { workload: 'reviews-v2;default;reviews;v2;Kubernetes' },
    });
  });

  test('a subset has the workloads with its labels', () => {
    const yaml =
      serviceYaml('reviews') +
      destinationRuleYaml('{ host: reviews, subsets: [{ name: second, labels: { version: v2 } }] }');
    expect(endpointsOf(yaml, [v1, v2]).map(addressOf)).toEqual(['10.0.0.1:15006', '10.0.0.2:15006']);
    expect(endpointsOf(yaml, [v1, v2], { subset: 'second' }).map(addressOf)).toEqual(['10.0.0.2:15006']);
  });

  test('a service has the workloads that name it and those its selector selects, of its namespace', () => {
    const yaml = serviceYaml('reviews', { selector: '{ tier: backend }' });
    const selected = sidecarWorkload({
      name: 's',
      service: '',
      address: '10.0.0.3',
      labels: { tier: 'backend', a: 'b' },
    });
    const elsewhere = sidecarWorkload({
      name: 'e',
      address: '10.0.0.4',
      namespace: 'shop',
      labels: { tier: 'backend' },
    });
    const both = sidecarWorkload({ name: 'b', address: '10.0.0.5', labels: { tier: 'backend' } });
    expect(endpointsOf(yaml, [both, v1, selected, elsewhere]).map(addressOf)).toEqual([
      '10.0.0.5:15006',
      '10.0.0.1:15006',
      '10.0.0.3:15006',
    ]);
  });

  test('a WorkloadEntry is reached at the port it lists, else at the target port', () => {
    const yaml =
      serviceYaml('reviews', {
        ports: '[{ name: http, port: 80, targetPort: 8080 }, { name: http-b, port: 81, targetPort: 8081 }]',
        selector: '{ app: reviews }',
      }) + entry('vm', '{ address: 192.0.2.1, labels: { app: reviews }, ports: { http-b: 9999 }, weight: 3 }');
    expect(endpointsOf(yaml, [], { port: 80 }).map(addressOf)).toEqual(['192.0.2.1:8080']);
    expect(endpointsOf(yaml, [], { port: 81 }).map(addressOf)).toEqual(['192.0.2.1:9999']);
    expect(endpointsOf(yaml, [])[0]?.load_balancing_weight).toBe(3);
  });

  test('a ServiceEntry has its own endpoints, or the workloads it selects', () => {
    const serviceEntry = (rest: string): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api }
spec: { hosts: [api.example.com], ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8000 }], resolution: STATIC, ${rest} }
`;
    const host = 'api.example.com';
    expect(endpointsOf(serviceEntry('endpoints: [{ address: 192.0.2.9 }]'), [], { host }).map(addressOf)).toEqual([
      '192.0.2.9:8000',
    ]);
    const selecting =
      serviceEntry('workloadSelector: { labels: { app: api } }') +
      entry('vm', '{ address: 192.0.2.7, labels: { app: api } }');
    expect(endpointsOf(selecting, [], { host }).map(addressOf)).toEqual(['192.0.2.7:8000']);
  });

  test('an assignment carries the weight of its locality, and no locality when it is empty', () => {
    const { config, workloads } = contextOf(serviceYaml('reviews'), [v1, v2]);
    const selection = selectEndpoints(config, `outbound|80||${hostname}`, clientAt())!;
    expect(buildLoadAssignment(workloads.get(hostname) ?? [], selection).endpoints).toMatchObject([
      { locality: {}, load_balancing_weight: 2 },
    ]);
    expect(buildLoadAssignment([], selection)).toEqual({ cluster_name: `outbound|80||${hostname}` });
  });

  test.each([
    ['an unknown service', 'outbound|80||unknown.default.svc.cluster.local'],
    ['an unknown port', `outbound|81||${hostname}`],
    ['an unknown subset', `outbound|80|v9|${hostname}`],
    ['another kind of name', 'inbound|8080||'],
  ])('%s selects nothing', (_name, clusterName) => {
    expect(selectEndpoints(contextOf(serviceYaml('reviews')).config, clusterName, clientAt())).toBeUndefined();
  });
});

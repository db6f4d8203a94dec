import { describe, expect, test } from 'vitest';
import { buildOutboundClusters } from '../../../pilot/networking/clusters.ts';
import { buildLoadAssignment, selectEndpoints } from '../../../pilot/networking/endpoints.ts';
import { clientAt, contextOf, serviceYaml, sidecarWorkload } from './scenario.ts';

const rule = (annotation: string, name = 'rule', more = ''): string => `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name}, annotations: { heddle.dev/health-check: "${annotation}" } }
spec: { host: reviews, subsets: [{ name: ${name}, labels: { version: v1 } }] ${more} }
`;

const clustersOf = (yaml: string) =>
  buildOutboundClusters(contextOf(serviceYaml('reviews') + yaml).config, { namespace: 'default' }).filter(
    ({ name }) => name !== 'PassthroughCluster',
  );

describe('heddle.dev/health-check', () => {
  test('asks under the name of the service, in all clusters of the host', () => {
    const clusters = clustersOf(rule('http:/healthz; interval=5s; healthy=2; status=200-299,401'));
    expect(clusters).toHaveLength(2);
    for (const cluster of clusters) {
      expect(cluster).toMatchObject({
        ignore_health_on_host_removal: true,
        health_checks: [
          {
            timeout: '1s',
            interval: '5s',
            no_traffic_interval: '5s',
            unhealthy_threshold: 3,
            healthy_threshold: 2,
            http_health_check: {
              host: 'reviews.default.svc.cluster.local',
              path: '/healthz',
              method: 'GET',
              expected_statuses: [
                { start: 200, end: 300 },
                { start: 401, end: 402 },
              ],
            },
          },
        ],
      });
    }
  });

  test('of the oldest rule is in force where several rules are merged', () => {
    const [cluster] = clustersOf(rule('tcp', 'a') + rule('http:/', 'b'));
    expect(cluster?.health_checks).toEqual([expect.objectContaining({ tcp_health_check: {} })]);
  });

  test.each([
    ['tcp; port=8081', { port_value: 8081 }],
    ['tcp', undefined],
  ])('%s: each endpoint says where it is checked', (annotation, expected) => {
    const workloads = [sidecarWorkload()];
    const { config } = contextOf(serviceYaml('reviews') + rule(annotation), workloads);
    const selection = selectEndpoints(config, 'outbound|80||reviews.default.svc.cluster.local', clientAt());
    const assignment = selection && buildLoadAssignment(workloads, selection);
    expect(assignment?.endpoints?.[0]?.lb_endpoints?.[0]?.endpoint?.health_check_config).toEqual(expected);
  });
});

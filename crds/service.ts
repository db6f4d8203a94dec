/** Kubernetes' core v1 Service. Source: kubernetes/api core/v1 types.go, ServiceSpec. */
import { Type, type Static } from 'typebox';
import * as s from './schema.ts';

const kubernetesServicePort = s.record({
  port: s.port,
  name: s.optional(s.string),
  protocol: s.optional(s.oneOf('TCP', 'UDP', 'SCTP')),
  appProtocol: s.optional(s.string),
  /** A number, or the name of a container's port; checks/service.ts looks which. */
  targetPort: s.optional(Type.Unsafe<number | string>({ 'x-kubernetes-int-or-string': true })),
  nodePort: s.optional(s.portOrZero),
});

export const serviceSchema = Type.Partial(
  Type.Object({
    ports: s.listOf(kubernetesServicePort),
    selector: s.stringMap,
    type: s.oneOf('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'),
    clusterIP: s.string,
    clusterIPs: s.strings,
    externalIPs: s.strings,
    externalName: s.string,
    externalTrafficPolicy: s.oneOf('Cluster', 'Local'),
    internalTrafficPolicy: s.oneOf('Cluster', 'Local'),
    sessionAffinity: s.oneOf('None', 'ClientIP'),
    sessionAffinityConfig: s.message({ clientIP: s.message({ timeoutSeconds: s.count }) }),
    loadBalancerIP: s.string,
    loadBalancerClass: s.string,
    loadBalancerSourceRanges: s.strings,
    allocateLoadBalancerNodePorts: s.boolean,
    healthCheckNodePort: s.portOrZero,
    publishNotReadyAddresses: s.boolean,
    ipFamilies: s.listOf(s.oneOf('IPv4', 'IPv6')),
    ipFamilyPolicy: s.oneOf('SingleStack', 'PreferDualStack', 'RequireDualStack'),
    trafficDistribution: s.string,
  }),
  { additionalProperties: false, description: 'A name for a set of workloads, with its ports.' },
);

export type ServiceSpec = Static<typeof serviceSchema>;
export type KubernetesServicePort = Static<typeof kubernetesServicePort>;

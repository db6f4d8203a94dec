import type { NodeMetadata } from '../../../proxy/api/node.ts';

/** An instance of ftgo-order-service v1; fields given in `changes` differ. */
export function nodeMetadata(changes: Partial<NodeMetadata> = {}): NodeMetadata {
  return {
    name: 'ftgo-order-service-v1-1',
    namespace: 'shop',
    service: 'ftgo-order-service',
    workloadName: 'ftgo-order-service-v1',
    labels: { app: 'ftgo-order-service', version: 'v1' },
    clusterId: 'Kubernetes',
    address: '127.0.0.1',
    appPort: 8080,
    inboundPort: 15_006,
    outboundPort: 15_001,
    ...changes,
  };
}

export const consumerService = {
  host: 'ftgo-consumer-service.shop.svc.cluster.local',
  name: 'ftgo-consumer-service',
  namespace: 'shop',
};

export const consumerV2 = {
  name: 'ftgo-consumer-service-v2',
  namespace: 'shop',
  canonicalService: 'ftgo-consumer-service',
  canonicalRevision: 'v2',
  clusterId: 'Kubernetes',
};

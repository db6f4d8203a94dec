/** A Canary of reviews from v1 to v2, and the DestinationRule that it needs. */
import type { Resource } from '../../../crds/resource.ts';
import type { CanaryResource } from '../../../mixer/canary/release-plan.ts';

export const metadata = {
  name: 'reviews',
  namespace: 'default',
  uid: 'uid',
  resourceVersion: '1',
  generation: 1,
  creationTimestamp: '2026-01-31T12:00:00Z',
};

export const subsets = { primary: 'v1', canary: 'v2' };

export function canary(spec: object): CanaryResource {
  return {
    apiVersion: 'networking.heddle.dev/v1alpha1',
    kind: 'Canary',
    metadata,
    spec: { host: 'reviews', subsets, ...spec },
  };
}

export const destinationRule: Resource = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { ...metadata, uid: 'rule' },
  spec: { host: 'reviews', subsets: ['v1', 'v2'].map((version) => ({ name: version, labels: { version } })) },
};

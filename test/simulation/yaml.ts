/** Resources as short as tests want to write them. Specs are YAML, indented or in flow style. */

/** A VirtualService of one host; `http` is the YAML of its list. */
export function virtualService(host: string, http: string, { name = 'rules', namespace = 'default' } = {}): string {
  return `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  hosts: ["${host}"]
  http: ${http}
`;
}

/** A VirtualService of `reviews` that sends what `match` lets through to v2, and the rest to v1. */
export function reviewsV2When(match: string): string {
  return virtualService(
    'reviews',
    `
  - match: ${match}
    route: [{ destination: { host: reviews, subset: v2 } }]
  - route: [{ destination: { host: reviews, subset: v1 } }]`,
  );
}

export function destinationRule(host: string, spec: string, { name = 'rule', namespace = 'default' } = {}): string {
  return `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  host: ${host}
  ${spec}
`;
}

/** Subsets v1 and v2 of `reviews`, by version. */
export const reviewsSubsets: string = destinationRule(
  'reviews',
  'subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]',
);

export function kubernetesService(name: string, ports: string, namespace = 'default'): string {
  return `
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ports: ${ports}, selector: { app: ${name} } }
`;
}

/** One workload of each version. */
export const reviewsV1AndV2 = [
  { service: 'reviews', version: 'v1' },
  { service: 'reviews', version: 'v2' },
] as const;

/** What tests of releases by whole processes share: the resources, the parts of the control plane, the status. */
import type { CanaryStatus } from '../../crds/canary.ts';
import type { Child } from '../../examples/ftgo-canary/child.ts';
import { compiled, fetchText, type Mesh } from './mesh.ts';

export const reviewsDestinationRule = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}`;

export const reviewsCanary = (analysis: string): string => `
apiVersion: networking.heddle.dev/v1alpha1
kind: Canary
metadata: {name: reviews}
spec:
  host: reviews
  subsets: {primary: v1, canary: v2}
  analysis: ${analysis}`;

/** Pilot or mixer as a process of its own, so that one can die alone. */
export async function startPart(mesh: Mesh, part: 'pilot' | 'mixer', options: unknown): Promise<Child> {
  const child = mesh.start(part, [compiled('test/support/control-plane-part.js'), part, JSON.stringify(options)]);
  await child.waitForLine(/is ready/);
  return child;
}

export async function readCanaryStatus(mesh: Mesh): Promise<CanaryStatus> {
  const path = '/apis/networking.heddle.dev/v1alpha1/namespaces/default/canaries/reviews';
  const { status = {} } = JSON.parse(await fetchText(`${mesh.apiUrl}${path}`)) as { status?: CanaryStatus };
  return status;
}

/** Sidecar as a whole. Source of the rules: istio/istio pkg/config/validation. */
import type { SidecarSpec } from '../sidecar.ts';
import type { Check } from './check.ts';
import { checkSelector } from './labels.ts';

export const checkSidecar: Check<SidecarSpec> = ({ workloadSelector }, _metadata, findings) => {
  if (workloadSelector !== undefined) checkSelector(workloadSelector.labels, 'spec.workloadSelector.labels', findings);
};

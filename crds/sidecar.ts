/** Sidecar: what holds for the sidecars of some workloads. Source: istio/api networking/v1alpha3/sidecar.proto. */
import { Type, type Static } from 'typebox';
import * as s from './schema.ts';

/** Required: protobuf's default is the opposite of the default of a policy that is not given. */
export const outboundTrafficPolicy = s.record({ mode: s.oneOf('REGISTRY_ONLY', 'ALLOW_ANY') });

export const sidecarSchema = Type.Partial(
  Type.Object({
    workloadSelector: s.message({ labels: s.stringMap }),
    outboundTrafficPolicy,
  }),
  { additionalProperties: false, description: 'What holds for the sidecars of some workloads.' },
);

export type SidecarSpec = Static<typeof sidecarSchema>;
export type OutboundTrafficPolicyMode = Static<typeof outboundTrafficPolicy>['mode'];

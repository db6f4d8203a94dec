/** DestinationRule: subsets of a host and policies towards it. Source: istio/api networking/v1alpha3/destination_rule.proto. */
import { Type, type Static } from 'typebox';
import * as s from './schema.ts';
import { trafficPolicySchema } from './traffic-policy.ts';

const subset = s.record({
  name: s.string,
  labels: s.optional(s.stringMap),
  trafficPolicy: s.optional(trafficPolicySchema),
});

export const destinationRuleSchema = Type.Object(
  {
    host: s.string,
    trafficPolicy: s.optional(trafficPolicySchema),
    subsets: s.optional(s.listOf(subset)),
    exportTo: s.optional(s.exportTo),
    workloadSelector: s.optional(s.message({ matchLabels: s.stringMap })),
  },
  { additionalProperties: false, description: 'Subsets of a host and the policies of connections to it.' },
);

export type DestinationRuleSpec = Static<typeof destinationRuleSchema>;
export type Subset = Static<typeof subset>;

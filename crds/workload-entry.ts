/** WorkloadEntry: one instance of a service. Source: istio/api networking/v1alpha3/workload_entry.proto. */
import { Type, type Static } from 'typebox';
import * as s from './schema.ts';

export const workloadEntrySchema = Type.Partial(
  Type.Object({
    address: s.string,
    ports: s.mapOf(s.port),
    labels: s.stringMap,
    network: s.string,
    locality: s.string,
    weight: s.uint32,
    serviceAccount: s.string,
  }),
  { additionalProperties: false, description: 'One instance of a service: its address, ports and labels.' },
);

export type WorkloadEntrySpec = Static<typeof workloadEntrySchema>;

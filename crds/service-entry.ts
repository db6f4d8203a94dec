/** ServiceEntry: a service made known by hand. Source: istio/api networking/v1alpha3/service_entry.proto. */
import { Type, type Static } from 'typebox';
import * as s from './schema.ts';
import { workloadEntrySchema } from './workload-entry.ts';

const servicePort = s.record({
  number: s.port,
  name: s.string,
  protocol: s.optional(s.string),
  targetPort: s.optional(s.portOrZero),
});

export const serviceEntrySchema = Type.Object(
  {
    hosts: s.strings,
    addresses: s.optional(s.strings),
    ports: s.optional(s.listOf(servicePort)),
    location: s.optional(s.oneOf('MESH_EXTERNAL', 'MESH_INTERNAL')),
    resolution: s.optional(s.oneOf('NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS')),
    endpoints: s.optional(s.listOf(workloadEntrySchema)),
    workloadSelector: s.optional(s.message({ labels: s.stringMap })),
    exportTo: s.optional(s.exportTo),
    subjectAltNames: s.optional(s.strings),
  },
  { additionalProperties: false, description: 'A service that the mesh knows by name, with its ports and endpoints.' },
);

export type ServiceEntrySpec = Static<typeof serviceEntrySchema>;
export type ServicePort = Static<typeof servicePort>;

/** Telemetry that hides from a release what it is judged by: metrics that are not exported, labels that are gone or fixed. */
import type { FieldError } from '../proxy/common/decoded.ts';
import { childPath, show } from './findings.ts';
import type { MeshIndex, SomeResource } from './references.ts';
import type { TelemetrySpec } from './telemetry.ts';

/** By which the mixer tells whose request it was, and how it ended. */
const judgedLabels: readonly string[] = [
  'source_workload',
  'destination_service',
  'destination_version',
  'response_code',
  'response_flags',
  'grpc_response_status',
];

const judgedMetrics: readonly string[] = ['ALL_METRICS', 'REQUEST_COUNT', 'REQUEST_DURATION'];

/** What is hidden, with the path of what hides it. */
function blindSpotsOf({ metrics = [] }: TelemetrySpec): FieldError[] {
  return metrics.flatMap(({ overrides = [] }, i) =>
    overrides.flatMap(({ match = {}, disabled = false, tagOverrides = {} }, nth): FieldError[] => {
      const { metric = 'ALL_METRICS' } = match;
      if (!judgedMetrics.includes(metric)) return [];
      const path = `spec.metrics[${i}].overrides[${nth}]`;
      const hidden = Object.keys(tagOverrides).filter((label) => judgedLabels.includes(label));
      return [
        ...(disabled ? [{ path: `${path}.disabled`, message: `no ${metric}` }] : []),
        ...hidden.map((label) => ({
          path: childPath(`${path}.tagOverrides`, label),
          message: `no label ${show(label)} of the traffic`,
        })),
      ];
    }),
  );
}

/** For a Telemetry: the releases of the mesh that would miss what it hides. */
export function telemetryBlindness({ spec }: SomeResource, { mesh }: MeshIndex): FieldError[] {
  const [canary] = mesh.resources.filter(({ kind }) => kind === 'Canary');
  if (canary === undefined) return [];
  const { namespace, name } = canary.metadata;
  return blindSpotsOf(spec as TelemetrySpec).map(({ path, message }) => ({
    path,
    message: `a release needs it: with ${message}, Canary ${namespace}/${name} does not count requests of these workloads`,
  }));
}

/** For a Canary: the Telemetry that hides what it is judged by, whoever its clients are. */
export function canaryBlindness(path: string, { mesh }: MeshIndex): FieldError[] {
  return mesh.resources.flatMap(({ kind, spec, metadata: { namespace, name } }): FieldError[] => {
    const [spot] = kind === 'Telemetry' ? blindSpotsOf(spec as TelemetrySpec) : [];
    if (spot === undefined) return [];
    const where = `Telemetry ${namespace}/${name} (${spot.path})`;
    const message = `${where} leaves the release with ${spot.message}: requests of its workloads are not counted`;
    return [{ path, message }];
  });
}

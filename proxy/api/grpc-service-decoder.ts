/** Decodes `envoy.config.core.v3.GrpcService`. */
import type { GrpcService } from './envoy.gen.ts';
import type { Fields } from './fields.ts';

/** The name of the cluster: there is no other kind of gRPC client here. */
export function readGrpcService(fields: Fields<GrpcService>): string {
  return fields.required('envoy_grpc').name('cluster_name');
}

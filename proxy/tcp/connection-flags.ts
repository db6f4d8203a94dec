/** Envoy's response flags of connections, as Envoy 1.40 sets them. */
import { type MeshError, type MeshErrorCode, meshErrors } from '../common/errors.ts';

/** Where they are others than those of a request that fails in the same way: no attempt is left when one fails for good. */
const flagsByCode: Readonly<Partial<Record<MeshErrorCode, string>>> = {
  connect_failure: 'UF,URX',
  connect_timeout: 'UF,URX',
  upstream_reset: 'UR',
};

/** `-` without an error. That a client broke its connection off (DC) is told here too, where Envoy is silent. */
export function connectionFlags(error: MeshError | undefined): string {
  return error === undefined ? '-' : (flagsByCode[error.code] ?? meshErrors[error.code].flag);
}

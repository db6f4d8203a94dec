/** Who opened a stream, from its first request. */
import type { DiscoveryRequest } from '../../proxy/api/discovery.ts';
import { decodeNode, type Node } from '../../proxy/api/node.ts';
import type { Decoded } from '../../proxy/common/decoded.ts';
import { isIpAddress } from '../../crds/names.ts';
import { workloadOf } from '../model/workload.ts';

/** A workload that others are to reach needs an address they can be given: EDS carries IP addresses only. */
export function identifySidecar({ node: json }: DiscoveryRequest): Decoded<Node> {
  if (json === undefined) return fault('node', 'is required in the first request of a stream');
  if (!json.id) return fault('node.id', 'is required');
  const decoded = decodeNode(json);
  if (decoded.errors !== undefined) return decoded;
  const workload = workloadOf(decoded.value.metadata);
  if (workload !== undefined && !isIpAddress(workload.address)) {
    return fault('node.metadata.ADDRESS', `must be an IP address, got ${JSON.stringify(workload.address)}`);
  }
  return decoded;
}

function fault(path: string, message: string): Decoded<never> {
  return { errors: [{ path, message }] };
}

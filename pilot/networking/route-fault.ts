/** Injected delays and aborts (semantics S25) as Envoy's fault filter has them. Without a percentage nothing is injected. */
import type { HTTPRoute } from '../../crds/virtual-service.ts';
import type { FaultAbort, FaultDelay, HTTPFault } from '../../proxy/api/envoy.gen.ts';
import { grpcStatusNumber } from '../../proxy/common/grpc-statuses.ts';
import { fractionOf } from './fraction.ts';
import { protoDurationOf } from './proto-duration.ts';

type Fault = NonNullable<HTTPRoute['fault']>;

export function buildFault({ delay, abort }: Fault): HTTPFault {
  const faultDelay = delay && buildDelay(delay);
  const faultAbort = abort && buildAbort(abort);
  return {
    ...(faultDelay === undefined ? {} : { delay: faultDelay }),
    ...(faultAbort === undefined ? {} : { abort: faultAbort }),
  };
}

/** Undefined without a duration: Envoy wants one. */
function buildDelay({ fixedDelay, percentage, percent }: NonNullable<Fault['delay']>): FaultDelay | undefined {
  if (fixedDelay === undefined) return undefined;
  // `percent` is the older field: it counts only where the newer one is not given.
  const share = percentage === undefined ? percent : percentage.value;
  return { fixed_delay: protoDurationOf(fixedDelay), percentage: fractionOf(share ?? 0) };
}

/** Undefined when no error is named. */
function buildAbort({ httpStatus, grpcStatus, percentage }: NonNullable<Fault['abort']>): FaultAbort | undefined {
  const share = fractionOf(percentage?.value ?? 0);
  if (httpStatus !== undefined) return { http_status: httpStatus, percentage: share };
  if (grpcStatus === undefined) return undefined;
  return { grpc_status: grpcStatusNumber('name', grpcStatus), percentage: share };
}

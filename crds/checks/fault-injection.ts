/** Injected delays and aborts (semantics S25). */
import { grpcStatusNumber } from '../../proxy/common/grpc-statuses.ts';
import { durationFault } from '../duration.ts';
import { type Findings, show } from '../findings.ts';
import type { HTTPRoute } from '../virtual-service.ts';
import { statusFault } from './http-actions.ts';

type Fault = NonNullable<HTTPRoute['fault']>;

export function checkFault(fault: Fault | undefined, path: string, findings: Findings): void {
  if (fault === undefined) return;
  if (fault.abort === undefined && fault.delay === undefined) findings.error(path, 'must have abort, delay or both');
  if (fault.abort !== undefined) checkAbort(fault.abort, `${path}.abort`, findings);
  if (fault.delay !== undefined) checkDelay(fault.delay, `${path}.delay`, findings);
}

function checkAbort(abort: NonNullable<Fault['abort']>, path: string, findings: Findings): void {
  checkPercentage(abort.percentage?.value, `${path}.percentage.value`, findings);
  const given = (['httpStatus', 'grpcStatus', 'http2Error'] as const).filter((field) => abort[field] !== undefined);
  if (given.length > 1) findings.error(path, `must have only one kind of error, got ${given.join(' and ')}`);
  if (given.length === 0) findings.warn(path, 'has neither httpStatus nor grpcStatus: nothing is aborted');
  if (abort.httpStatus !== undefined) findings.expect(`${path}.httpStatus`, statusFault(abort.httpStatus));
  if (abort.grpcStatus !== undefined && grpcStatusNumber('name', abort.grpcStatus) < 0) {
    findings.error(
      `${path}.grpcStatus`,
      `must be the name of a gRPC status such as NOT_FOUND, got ${show(abort.grpcStatus)}`,
    );
  }
  if (abort.http2Error !== undefined) findings.error(`${path}.http2Error`, 'is not supported by Istio');
}

function checkDelay(delay: NonNullable<Fault['delay']>, path: string, findings: Findings): void {
  checkPercentage(delay.percentage?.value, `${path}.percentage.value`, findings);
  if (delay.fixedDelay !== undefined) findings.expect(`${path}.fixedDelay`, durationFault(delay.fixedDelay));
  if (delay.exponentialDelay !== undefined) findings.error(`${path}.exponentialDelay`, 'is not supported by Istio');
}

/** Envoy counts in parts per million: what is smaller than one part would silently be nothing. */
function checkPercentage(value: number | undefined, path: string, findings: Findings): void {
  if (value !== undefined && value > 0 && value < 0.0001)
    findings.error(path, `must be 0 or at least 0.0001, got ${value}`);
}

/** Decodes `envoy.extensions.filters.http.fault.v3.HTTPFault`. */
import type {
  FaultAbort as FaultAbortJson,
  FaultDelay as FaultDelayJson,
  HTTPFault as HTTPFaultJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import type { FaultAbort, FaultConfig, FaultDelay } from './filter-config.ts';
import { readProbability } from './fraction-decoder.ts';
import { readHeaderMatch } from './route-match-decoder.ts';

export function readFault(fields: Fields<HTTPFaultJson>): FaultConfig {
  const delay = fields.message('delay');
  const abort = fields.message('abort');
  // Counts under the cluster's name what the filter also counts under its own.
  fields.ignore('disable_downstream_cluster_stats');
  return {
    kind: 'fault',
    delay: delay && readDelay(delay),
    abort: abort && readAbort(abort),
    headers: fields.list('headers', readHeaderMatch),
    maxActiveFaults: fields.take('max_active_faults') ?? Number.POSITIVE_INFINITY,
  };
}

function readDelay(fields: Fields<FaultDelayJson>): FaultDelay {
  const delayMs = fields.durationMs('fixed_delay', 0);
  if (delayMs === 0 && !fields.has('header_delay')) fields.fail('fixed_delay', 'must be set and above 0');
  return { delayMs, probability: readProbability(fields.message('percentage')) };
}

function readAbort(fields: Fields<FaultAbortJson>): FaultAbort {
  const probability = readProbability(fields.message('percentage'));
  if (fields.has('grpc_status')) {
    const status = fields.number('grpc_status', { defaultValue: 0, max: 16 });
    return { error: { kind: 'grpc', status }, probability };
  }
  if (!fields.has('http_status') && !fields.has('header_abort')) {
    fields.failHere('must have one of http_status and grpc_status');
  }
  const status = fields.number('http_status', { defaultValue: 503, min: 200, max: 599 });
  return { error: { kind: 'http', status }, probability };
}

/** Filters of access logs, compiled once per log into a predicate of a finished stream (Envoy `AccessLogFilter`). */
import type { AccessLogFilter, RuntimeFilter } from './api/access-log-filter.ts';
import { grpcStatusOf } from './http/grpc-status.ts';
import { HeaderName } from './http/header-name.ts';
import { traceReasonOf } from './http/request-id.ts';
import type { StreamInfo } from './http/stream-info.ts';
import { compileHeaderMatch } from './router/route-match.ts';
import type { Random } from './upstream/picker.ts';

export type StreamPredicate = (stream: StreamInfo, durationMs: number) => boolean;

export function compileAccessLogFilter(filter: AccessLogFilter, random: Random): StreamPredicate {
  switch (filter.kind) {
    case 'status_code': {
      const compare = comparisons[filter.op];
      return (stream) => compare(stream.response.status, filter.value);
    }
    case 'duration': {
      const compare = comparisons[filter.op];
      return (_stream, durationMs) => compare(Math.floor(durationMs), filter.value);
    }
    case 'not_health_check':
      // Envoy's filter that recognizes health checks is not supported here: every request is an ordinary one.
      return () => true;
    case 'traceable':
      // Not whatever is traced: only what someone asked to have traced, as in Envoy.
      return ({ traceId, request }) =>
        traceId !== '' && traceReasonOf(request.headers.get(requestIdName) ?? '') === 'forced';
    case 'runtime':
      return compileRuntimeFilter(filter, random);
    case 'and': {
      const all = filter.filters.map((one) => compileAccessLogFilter(one, random));
      return (stream, durationMs) => all.every((holds) => holds(stream, durationMs));
    }
    case 'or': {
      const any = filter.filters.map((one) => compileAccessLogFilter(one, random));
      return (stream, durationMs) => any.some((holds) => holds(stream, durationMs));
    }
    case 'header': {
      const matches = compileHeaderMatch(filter.match);
      return ({ request }) => matches(request);
    }
    case 'response_flag':
      return compileFlags(filter.flags);
    case 'grpc_status': {
      const statuses = new Set(filter.statuses);
      return ({ response }) => statuses.has(grpcStatusOf(response) ?? unknownStatus) !== filter.isExcluding;
    }
  }
}

const comparisons = {
  EQ: (value: number, expected: number) => value === expected,
  GE: (value: number, expected: number) => value >= expected,
  LE: (value: number, expected: number) => value <= expected,
};

const unknownStatus = 2;

const requestIdName = new HeaderName('x-request-id');

function compileRuntimeFilter(
  { numerator, denominator, isIndependent }: RuntimeFilter,
  random: Random,
): StreamPredicate {
  const isChosen = (value: number): boolean => value % denominator < numerator;
  const draw = (): boolean => isChosen(Math.floor(random() * 0x1_0000_0000));
  if (isIndependent) return draw;
  return ({ request }) => {
    const id = request.headers.get(requestIdName) ?? '';
    return sampledDigits.test(id) ? isChosen(parseInt(id.slice(0, 8), 16)) : draw();
  };
}

/** By which Envoy samples, so that all hops of a request log it or none. */
const sampledDigits = /^[0-9A-Fa-f]{8}/;

function compileFlags(flags: readonly string[]): StreamPredicate {
  if (flags.length === 0) return ({ responseFlags }) => responseFlags !== '-';
  const wanted = new Set(flags);
  return ({ responseFlags }) =>
    responseFlags !== '-' && (wanted.has(responseFlags) || responseFlags.split(',').some((flag) => wanted.has(flag)));
}

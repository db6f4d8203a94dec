/**
 * Envoy's `envoy.filters.http.fault`: holds requests back, answers them with an error, or both. Neither ever reaches the
 * router, so that timeouts and retries have no part in it.
 */
import type { FaultAbort, FaultConfig } from '../api/filter-config.ts';
import type { HttpFilter as HttpFilterConfig } from '../api/listener.ts';
import { MeshError } from '../common/errors.ts';
import type { Stat } from '../common/stats.ts';
import { WheelTimer } from '../common/timer-wheel.ts';
import type { FilterFactory, FilterStatus, HttpFilter } from '../http/filter.ts';
import { isGrpcRequest, sendGrpcStatus, httpStatusOfGrpc } from '../http/grpc-status.ts';
import type { RequestHead } from '../http/message-head.ts';
import type { HttpStream } from '../http/stream.ts';
import { type RequestPredicate, compileHeaderMatch } from '../router/route-match.ts';
import { type FilterContext, FilterSlot } from './filter-context.ts';

interface CompiledFault {
  readonly config: FaultConfig;
  readonly conditions: readonly RequestPredicate[];
}

/** What all instances of one filter share. */
interface FaultScope {
  readonly slot: FilterSlot<'fault', CompiledFault>;
  readonly context: FilterContext;
  readonly stats: FaultStats;
}

export function createFaultFactory(context: FilterContext, filter: HttpFilterConfig): FilterFactory {
  const scope: FaultScope = {
    slot: new FilterSlot(context, filter, { kind: 'fault', compile: compileFault }),
    context,
    stats: new FaultStats(context),
  };
  return (stream) => new FaultFilter(stream, scope);
}

function compileFault(config: FaultConfig): CompiledFault {
  return { config, conditions: config.headers.map(compileHeaderMatch) };
}

class FaultFilter implements HttpFilter {
  readonly #stream: HttpStream;
  readonly #scope: FaultScope;
  #timer: WheelTimer | undefined = undefined;
  /** Waits for its delay to be over. */
  #delayed: FaultConfig | undefined = undefined;

  constructor(stream: HttpStream, scope: FaultScope) {
    this.#stream = stream;
    this.#scope = scope;
  }

  decodeHeaders(head: RequestHead): FilterStatus {
    const fault = this.#scope.slot.configOf(this.#stream);
    if (fault === undefined || !fault.conditions.every((holds) => holds(head))) return 'continue';
    const { config } = fault;
    if (config.delay !== undefined && this.#isChosen(config.delay.probability) && this.#begin(config)) {
      this.#delay(config, config.delay.delayMs);
      return 'stop';
    }
    return this.#abort(config) ? 'stop' : 'continue';
  }

  #isChosen(probability: number): boolean {
    return probability > 0 && this.#scope.context.random() < probability;
  }

  /** Whether one more fault may be active. */
  #begin({ maxActiveFaults }: FaultConfig): boolean {
    const { active, overflows } = this.#scope.stats;
    if (active.value < maxActiveFaults) return true;
    overflows.value += 1;
    return false;
  }

  #delay(config: FaultConfig, delayMs: number): void {
    const { stats, context } = this.#scope;
    stats.delays.value += 1;
    stats.active.value += 1;
    this.#stream.isDelayInjected = true;
    this.#delayed = config;
    this.#timer ??= new WheelTimer(() => this.#onDelayOver());
    context.timers.arm(this.#timer, delayMs);
  }

  #onDelayOver(): void {
    const config = this.#endDelay();
    if (config !== undefined && !this.#abort(config)) this.#stream.continueDecoding();
  }

  #endDelay(): FaultConfig | undefined {
    const config = this.#delayed;
    if (config === undefined) return undefined;
    this.#delayed = undefined;
    this.#scope.stats.active.value -= 1;
    return config;
  }

  /** Whether the request was answered. */
  #abort(config: FaultConfig): boolean {
    const { abort } = config;
    if (abort === undefined || !this.#isChosen(abort.probability) || !this.#begin(config)) return false;
    this.#scope.stats.aborts.value += 1;
    sendAbort(this.#stream, abort.error);
    return true;
  }

  onDestroy(): void {
    this.#endDelay();
    if (this.#timer !== undefined) this.#scope.context.timers.disarm(this.#timer);
  }
}

/** Envoy's body of an injected error. */
const abortBody = 'fault filter abort';

function sendAbort(stream: HttpStream, error: FaultAbort['error']): void {
  stream.error = new MeshError('fault_abort', 'the route injects this error');
  if (error.kind === 'http') stream.sendDirectResponse(error.status, abortBody, stream.error);
  else if (isGrpcRequest(stream.request)) sendGrpcStatus(stream, { status: error.status, message: abortBody });
  else stream.sendDirectResponse(httpStatusOfGrpc(error.status), abortBody, stream.error);
}

/** Envoy docs, http_filters/fault_filter. */
class FaultStats {
  readonly delays: Stat;
  readonly aborts: Stat;
  readonly overflows: Stat;
  readonly active: Stat;

  constructor({ stats, statPrefix }: FilterContext) {
    const prefix = `http.${statPrefix}.fault.`;
    this.delays = stats.counter(`${prefix}delays_injected`);
    this.aborts = stats.counter(`${prefix}aborts_injected`);
    this.overflows = stats.counter(`${prefix}faults_overflow`);
    this.active = stats.gauge(`${prefix}active_faults`);
  }
}

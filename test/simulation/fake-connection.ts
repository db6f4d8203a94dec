/** Upstream connections without sockets: they wait, idle, at every host, so that the router never has to open one. */
import { MeshError } from '../../proxy/common/errors.ts';
import type { DataRun } from '../../proxy/http/filter.ts';
import { HeaderName } from '../../proxy/http/header-name.ts';
import type { RequestHead } from '../../proxy/http/message-head.ts';
import type { ClientConnection, ResponseDecoder } from '../../proxy/http1/client-connection.ts';
import type { Host } from '../../proxy/upstream/host.ts';
import type { Behaviour } from './simulated-workload.ts';

const immediateFailure = new HeaderName('x-envoy-immediate-health-check-fail');

/** One request on its way to one host. */
export interface Attempt {
  readonly address: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** As far as it was sent. */
  body: string;
}

/** The part of a connection that the router and the host use. */
type UpstreamConnection = Pick<
  ClientConnection,
  | 'isUsable'
  | 'attach'
  | 'encodeHeaders'
  | 'encodeData'
  | 'flush'
  | 'isCongested'
  | 'isReused'
  | 'abandon'
  | 'destroy'
  | 'pauseResponse'
  | 'resumeResponse'
>;

export class FakeConnections {
  readonly attempts: Attempt[] = [];
  readonly #behaviourOf: (address: string) => Behaviour;
  readonly #latencyOf: (address: string) => number;
  readonly #connected = new WeakSet<Host>();
  readonly #unsettled: (() => void)[] = [];

  /** `latencyOf`: milliseconds until the host there answers. */
  constructor(behaviourOf: (address: string) => Behaviour, latencyOf: (address: string) => number) {
    this.#behaviourOf = behaviourOf;
    this.#latencyOf = latencyOf;
  }

  /** Puts a connection in each host that has none. */
  connect(hosts: readonly Host[]): void {
    for (const host of hosts) {
      if (this.#connected.has(host)) continue;
      this.#connected.add(host);
      host.pool.putIdle(new FakeConnection(host, this) as unknown as ClientConnection);
    }
  }

  /** Has hosts answer what they were asked; one answer may lead to the next attempt. */
  settle(): void {
    for (let answer = this.#unsettled.shift(); answer !== undefined; answer = this.#unsettled.shift()) answer();
  }

  /** Called by a connection that was asked. */
  accept(host: Host, head: RequestHead, connection: FakeConnection): void {
    this.attempts.push({ address: host.address, path: head.path, headers: headersOf(head), body: '' });
    connection.attempt = this.attempts.at(-1);
    const behaviour = this.#behaviourOf(host.address);
    if (behaviour === 'is silent') return;
    const latencyMs = this.#latencyOf(host.address);
    if (behaviour === 'answers' && latencyMs > 0) {
      connection.answerLater(latencyMs);
      return;
    }
    this.#unsettled.push(() => (behaviour === 'refuses' ? connection.fail() : connection.answer(behaviour)));
  }
}

class FakeConnection implements UpstreamConnection {
  readonly isCongested = false;
  readonly isReused = false;
  /** The request that it carries. */
  attempt: Attempt | undefined;
  readonly #host: Host;
  readonly #owner: FakeConnections;
  #decoder: ResponseDecoder | undefined;
  #answers = 0;

  constructor(host: Host, owner: FakeConnections) {
    this.#host = host;
    this.#owner = owner;
  }

  isUsable(): boolean {
    return true;
  }

  attach(decoder: ResponseDecoder): void {
    this.#decoder = decoder;
  }

  encodeHeaders(head: RequestHead): void {
    this.#owner.accept(this.#host, head, this);
  }

  encodeData({ bytes, start, end }: DataRun): void {
    if (this.attempt !== undefined) this.attempt.body += bytes.toString('utf8', start, end);
  }

  answer(behaviour: Behaviour): void {
    const decoder = this.#release();
    if (decoder === undefined) return;
    this.#answers += 1;
    const isFailing = behaviour === 'fails every other' && this.#answers % 2 === 0;
    decoder.responseHead.status = isFailing ? 500 : behaviour === 'is overloaded' ? 429 : 200;
    if (behaviour === 'is going down') decoder.responseHead.headers.add(immediateFailure, 'true');
    decoder.onResponseHeaders(true);
  }

  answerLater(latencyMs: number): void {
    const decoder = this.#decoder;
    this.#host.cluster.context.clock.setTimer(() => {
      if (this.#decoder === decoder) this.answer('answers');
    }, latencyMs);
  }

  fail(): void {
    const error = new MeshError('connect_failure', `connecting to ${this.#host.address} failed (ECONNREFUSED)`);
    this.#release()?.onReset(error, this as unknown as ClientConnection);
  }

  #release(): ResponseDecoder | undefined {
    const decoder = this.#decoder;
    this.abandon();
    return decoder;
  }

  abandon(): void {
    this.#decoder = undefined;
    this.#host.pool.putIdle(this as unknown as ClientConnection);
  }

  destroy(): void {}
  flush(): void {}
  pauseResponse(): void {}
  resumeResponse(): void {}
}

/** As they stand in the head; names in lower case, several of one name joined with a comma. */
export function headersOf({ headers }: Pick<RequestHead, 'headers'>): Record<string, string> {
  const found: Record<string, string> = {};
  const put = (name: string, value: string): void => {
    found[name] = name in found ? `${found[name]},${value}` : value;
  };
  for (let i = 0; i < headers.count; i++) {
    if (!headers.isRemovedAt(i)) put(headers.nameAt(i).toLowerCase(), headers.valueAt(i));
  }
  for (let i = 0; i < headers.addedCount; i++) put(headers.addedNames[i]?.text ?? '', headers.addedValues[i] ?? '');
  return found;
}

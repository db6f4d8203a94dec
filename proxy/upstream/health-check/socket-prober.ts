/** Checks over a connection of their own, never one of the requests' pool; it is kept for the next check if that is asked. */
import type { Socket } from 'node:net';
import type { Endpoint } from '../../api/cluster.ts';
import type { HealthCheck } from '../../api/health-check.ts';
import type { SocketHandler } from '../../common/socket.ts';
import { isConnectedToItself } from '../../common/tcp-probe.ts';
import { connectEndpoint, type Transport } from '../host-socket.ts';
import type { Exchange } from './exchange.ts';
import { HttpExchange } from './http-exchange.ts';
import type { CheckResult, Prober } from './prober.ts';
import { TcpExchange } from './tcp-exchange.ts';

interface Connection {
  readonly socket: Socket;
  /** Where it leads: an endpoint may change the port of its checks. */
  readonly target: string;
  isConnected: boolean;
  /** It carried a check before. */
  isReused: boolean;
}

interface Check {
  readonly endpoint: Endpoint;
  readonly exchange: Exchange;
  readonly onResult: (result: CheckResult) => void;
  hasAnswer: boolean;
}

export class SocketProber implements Prober {
  readonly #config: HealthCheck;
  readonly #transport: Transport;
  #connection: Connection | undefined = undefined;
  #check: Check | undefined = undefined;

  /** `transport`: the cluster's; checks go the way that traffic does. */
  constructor(config: HealthCheck, transport: Transport) {
    this.#config = config;
    this.#transport = transport;
  }

  check(endpoint: Endpoint, onResult: (result: CheckResult) => void): void {
    const { probe } = this.#config;
    const exchange = probe.kind === 'http' ? new HttpExchange(probe, endpoint) : new TcpExchange(probe);
    this.#check = { endpoint, exchange, onResult, hasAnswer: false };
    const connection = this.#connection;
    if (connection === undefined || connection.target !== targetOf(endpoint)) {
      this.#open(endpoint);
      return;
    }
    connection.isReused = true;
    connection.socket.write(exchange.request);
  }

  abort(): void {
    this.#check = undefined;
    this.#close();
  }

  #close(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.socket.destroy();
  }

  #open(endpoint: Endpoint): void {
    this.#close();
    // Events of a connection that is not the current one any more mean nothing.
    const whenCurrent = (act: () => void): void => {
      if (this.#connection === connection) act();
    };
    const handler: SocketHandler = {
      onConnect: () => whenCurrent(() => this.#onConnect(connection)),
      onBytes: (bytes, length) => {
        whenCurrent(() => this.#onBytes(bytes, length));
        return true;
      },
      onEnd: () => whenCurrent(() => this.#onOver()),
      onDrain: () => {},
      onClose: () => whenCurrent(() => this.#onOver()),
    };
    const { address } = endpoint;
    const port = portOf(endpoint);
    const socket = connectEndpoint({ address, port }, this.#transport, handler, 'http/1.1');
    // Nobody waits for a check when everything else is done.
    socket.unref();
    const connection: Connection = { socket, target: targetOf(endpoint), isConnected: false, isReused: false };
    this.#connection = connection;
  }

  #onConnect(connection: Connection): void {
    const check = this.#check;
    if (check === undefined || isConnectedToItself(connection.socket)) {
      this.#finish('network', false);
      return;
    }
    connection.isConnected = true;
    const { request, resultOnConnect } = check.exchange;
    if (request.length > 0) connection.socket.write(request);
    if (resultOnConnect !== undefined) this.#finish(resultOnConnect, false);
  }

  #onBytes(bytes: Buffer, length: number): void {
    const check = this.#check;
    if (check === undefined) {
      // Unasked: whatever it is, it must not be read as the answer to the next check.
      this.#close();
      return;
    }
    check.hasAnswer = true;
    const result = check.exchange.read(bytes, length);
    if (result !== undefined) this.#finish(result, check.exchange.isReusable && this.#config.isConnectionReused);
  }

  /** The peer has closed. On a connection that was idle before that is no answer: the check is made on a new one. */
  #onOver(): void {
    const check = this.#check;
    const connection = this.#connection;
    if (check === undefined || connection === undefined) this.#close();
    else if (connection.isReused && !check.hasAnswer) this.#open(check.endpoint);
    else this.#finish(connection.isConnected ? check.exchange.end() : 'network', false);
  }

  #finish(result: CheckResult, isKept: boolean): void {
    const check = this.#check;
    this.#check = undefined;
    if (!isKept) this.#close();
    check?.onResult(result);
  }
}

function portOf({ port, healthCheck }: Endpoint): number {
  return healthCheck?.port || port;
}

function targetOf(endpoint: Endpoint): string {
  return `${endpoint.address}:${portOf(endpoint)}`;
}

/** Probes by TCP on connections to hosts: what their cluster says of them. */
import type { Socket } from 'node:net';
import type { TcpKeepalive } from '../api/circuit-breakers.ts';
import type { Cluster } from '../api/cluster.ts';
import type { FieldError } from '../common/decoded.ts';
import { fdOf } from '../common/socket.ts';
import { findSocketOptionsFault, setSocketOption, socketOptions } from '../common/socket-options.ts';

/** Why this machine cannot do what the cluster asks; undefined when it can. */
export function findKeepaliveFault({ tcpKeepalive }: Pick<Cluster, 'tcpKeepalive'>): FieldError | undefined {
  const message = tcpKeepalive !== undefined && needsOptions(tcpKeepalive) ? findSocketOptionsFault() : undefined;
  return message === undefined ? undefined : { path: 'upstream_connection_options.tcp_keepalive', message };
}

/** Node knows the time before the first probe, and no more. */
function needsOptions({ intervalMs, probes }: TcpKeepalive): boolean {
  return intervalMs > 0 || probes > 0;
}

/** Of a socket that is connected. Throws what the system says against it. */
export function startKeepalive(socket: Socket, keepalive: TcpKeepalive): void {
  const { timeMs, intervalMs, probes } = keepalive;
  if (!needsOptions(keepalive)) {
    socket.setKeepAlive(true, timeMs);
    return;
  }
  // Not by way of Node, which would set the ones that are left out too: to ten probes, a second apart.
  const fd = fdOf(socket);
  set(fd, 'TCP_KEEPIDLE', timeMs / 1000);
  set(fd, 'TCP_KEEPINTVL', intervalMs / 1000);
  set(fd, 'TCP_KEEPCNT', probes);
  set(fd, 'SO_KEEPALIVE', 1);
}

/** 0 leaves the system's default. */
function set(
  fd: number,
  option: 'TCP_KEEPIDLE' | 'TCP_KEEPINTVL' | 'TCP_KEEPCNT' | 'SO_KEEPALIVE',
  value: number,
): void {
  if (value === 0) return;
  const level = option === 'SO_KEEPALIVE' ? socketOptions.SOL_SOCKET : socketOptions.SOL_TCP;
  const fault = setSocketOption(fd, { level, name: socketOptions[option] }, value);
  if (fault !== undefined) throw new Error(`${option} cannot be ${value}: ${fault}`);
}

/** What pilot is started with. */
import type { MeshConfig } from '../crds/mesh-config.ts';
import { type Clock, systemClock } from '../proxy/common/clock.ts';
import { createLogger, type Logger } from '../proxy/common/log.ts';
import type { Keepalive, XdsTls } from './xds/ads-server.ts';
import type { SocketAddress } from './xds/generators.ts';

export interface PilotOptions {
  /** Directory of resources and registered workloads; created when it is missing. */
  readonly dataDir: string;
  /** IP address to listen on. Default 127.0.0.1: neither API has authentication. */
  readonly host?: string;
  /** REST API; 0 lets the system choose. Default 15080. */
  readonly restPort?: number;
  /** ADS; 0 lets the system choose. Default 15010. */
  readonly xdsPort?: number;
  /** Where ADS in plain text listens. Default `host`. */
  readonly xdsHost?: string;
  /** ADS with certificates of both sides: the folder that has pilot's, and a port, 0 lets the system choose. Default none. */
  readonly xdsTls?: Omit<XdsTls, 'host'>;
  /** Where sidecars report to; without one they are told of no mixer. */
  readonly mixerAddress?: SocketAddress;
  /** What holds where no resource says otherwise; default nothing. */
  readonly meshConfig?: MeshConfig;
  /** When a sidecar that is silent is given up: after the sum of both. */
  readonly keepalive?: Partial<Keepalive>;
  /** Folder of the secrets that Gateways name, `NAMESPACE/NAME/tls.crt` and so on; default none. */
  readonly secretsDir?: string;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

export type ResolvedOptions = Required<Omit<PilotOptions, 'mixerAddress' | 'keepalive' | 'secretsDir' | 'xdsTls'>> &
  Pick<PilotOptions, 'mixerAddress' | 'secretsDir' | 'xdsTls'> & { readonly keepalive: Keepalive };

export function resolveOptions(options: PilotOptions): ResolvedOptions {
  return {
    ...options,
    host: options.host ?? '127.0.0.1',
    xdsHost: options.xdsHost ?? options.host ?? '127.0.0.1',
    restPort: options.restPort ?? 15_080,
    xdsPort: options.xdsPort ?? 15_010,
    meshConfig: options.meshConfig ?? {},
    keepalive: { intervalMs: 3_000, timeoutMs: 2_000, ...options.keepalive },
    logger: options.logger ?? createLogger('pilot'),
    clock: options.clock ?? systemClock,
  };
}

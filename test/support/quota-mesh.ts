/** Proxies in this process that follow what pilot makes of YAML, and take their quotas from a mixer over real sockets. */
import { MixerServer } from '../../mixer/server.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import { silentLogger } from '../../proxy/common/log.ts';
import { StatsStore } from '../../proxy/common/stats.ts';
import { Quotas } from '../../proxy/quota/quotas.ts';

export async function startMixer(clock: Clock, grpcPort = 0): Promise<MixerServer> {
  const mixer = new MixerServer({ grpcPort, metricsPort: 0, logger: silentLogger, clock });
  await mixer.start();
  return mixer;
}

/** What a proxy has of quotas, without the proxy. `port`: where its mixer is. */
export function createQuotas(clock: Clock, port: () => number | undefined): { quotas: Quotas; stats: StatsStore } {
  const stats = new StatsStore();
  const target = (): string | undefined => {
    const at = port();
    return at === undefined ? undefined : `127.0.0.1:${at}`;
  };
  return { quotas: new Quotas({ target, clock, random: () => 0.5, stats, logger: silentLogger }), stats };
}

/**
 * The tokens of limits that several mixers hand out together, kept in Redis. A token is in Redis or held by one mixer, never
 * both, so the bound of a limit does not depend on how many mixers there are. Each mixer balances what it holds several
 * times per second: it holds what its spenders want, or an equal part where there is more. What a mixer held that is gone
 * is nobody's until its time is over.
 */
import { randomUUID } from 'node:crypto';
import { createClient } from '@redis/client';
import type { Clock } from '../../proxy/common/clock.ts';
import type { Logger } from '../../proxy/common/log.ts';
import type { LimitPool } from './limit-pool.ts';
import type { LimitPools } from './limit-pools.ts';

export interface SharedTokensOptions {
  /** `redis://[user:password@]host:port[/database]`. */
  readonly url: string;
  readonly pools: LimitPools;
  readonly clock: Clock;
  readonly logger: Logger;
}

const balanceIntervalMs = 100;
/** A mixer that was not heard of for this long holds nothing any more. */
const holderTtlMs = 5_000;
/** Redis that does not answer for this long is not there. */
const timeoutMs = 1_000;

/**
 * Time is Redis' own: the mixers' clocks need not agree. KEYS: the limit. ARGV: this mixer, what it holds and could give
 * back, what it wants to hold, requests, interval in ms, burst. Gives what the mixer gets (or gives, below 0) and how many
 * mixers there are.
 */
const balanceScript = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local me, held, wanted = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local requests, interval, burst = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local all = redis.call('HGETALL', KEYS[1])
local tokens, at, others, mixers = burst, now, 0, 1
for i = 1, #all, 2 do
  local field, value = all[i], all[i + 1]
  if field == 'tokens' then tokens = tonumber(value)
  elseif field == 'at' then at = tonumber(value)
  elseif field ~= me then
    local amount, heard = string.match(value, '^(%S+) (%S+)$')
    if now - tonumber(heard) > ${holderTtlMs} then redis.call('HDEL', KEYS[1], field)
    else
      others = others + tonumber(amount)
      mixers = mixers + 1
    end
  end
end
local room = math.max(0, burst - others - math.max(0, held))
tokens = math.min(room, tokens + math.max(0, now - at) * requests / interval)
local target = math.max(math.min(wanted, (tokens + held)), (tokens + held) / mixers)
local moved = math.floor(math.min(target - held, tokens))
if moved < 0 then moved = -math.min(-moved, math.max(0, math.floor(held))) end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens - moved), 'at', string.format('%.3f', now),
  me, tostring(math.max(0, held + moved)) .. ' ' .. string.format('%.3f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(math.max(60000, 2 * burst * interval / requests)))
return { moved, mixers }
`;

export class SharedTokens {
  readonly #options: SharedTokensOptions;
  readonly #client: ReturnType<typeof createClient>;
  readonly #id = `mixer ${randomUUID()}`;
  #isMissed = false;
  #isClosed = false;
  #cancel = (): void => {};

  constructor(options: SharedTokensOptions) {
    this.#options = options;
    this.#client = createClient({
      url: options.url,
      socket: { connectTimeout: timeoutMs, reconnectStrategy: 500 },
      // What waits is old news: the next balance says it anew.
      disableOfflineQueue: true,
    });
    this.#client.on('error', (error: unknown) => this.#miss(error));
  }

  /** Rejects when Redis cannot be reached: a wrong address is to be known at once. */
  async start(): Promise<void> {
    const { url, clock } = this.#options;
    const connected = this.#client.connect();
    let cancel = (): void => {};
    const late = new Promise<never>((_, reject) => {
      cancel = clock.setTimer(() => reject(new Error(`no Redis at ${redacted(url)}`)), 2 * timeoutMs);
    });
    try {
      await Promise.race([connected, late]);
    } catch (error) {
      connected.catch(() => {});
      this.close();
      throw error;
    } finally {
      cancel();
    }
    this.#schedule();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel();
    this.#client.destroy();
  }

  /** One round over all limits that are spent from. */
  async balance(): Promise<void> {
    const entries = [...this.#options.pools.entries()];
    await Promise.all(entries.map(([key, pool]) => this.#balancePool(key, pool)));
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#cancel = this.#options.clock.setTimer(() => {
      void this.balance().finally(() => this.#schedule());
    }, balanceIntervalMs);
  }

  async #balancePool(key: string, pool: LimitPool): Promise<void> {
    const { requests, intervalMs, burst } = pool.numbers;
    const held = pool.unslicedTokens;
    const numbers = [held, pool.wantedTokens, requests, intervalMs, burst].map(String);
    try {
      const options = { keys: [`heddle:limit:${key}`], arguments: [this.#id, ...numbers] };
      const answer = await this.#client.withAbortSignal(AbortSignal.timeout(timeoutMs)).eval(balanceScript, options);
      const [moved, mixers] = answer as unknown as readonly [number, number];
      pool.move(moved);
      pool.fillBy({ kind: 'store', mixers });
      if (this.#isMissed) this.#options.logger.info('Redis is there again');
      this.#isMissed = false;
    } catch (error) {
      this.#miss(error);
      pool.fillBy({ kind: 'clock' });
    }
  }

  /** Each mixer then hands out its equal part by its own clock. */
  #miss(error: unknown): void {
    if (this.#isMissed || this.#isClosed) return;
    this.#isMissed = true;
    this.#options.logger.warn('Redis is gone, limits are divided equally among the mixers', { error: String(error) });
  }
}

/** Without the password. */
function redacted(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//');
}

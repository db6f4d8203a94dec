/** Configurations damaged at random: refused with what is wrong and where, or in force without a fault of the proxy. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBootstrap } from '../../proxy/bootstrap.ts';
import type { Logger } from '../../proxy/common/log.ts';
import { silentLogger } from '../../proxy/common/log.ts';
import { ProxyServer } from '../../proxy/server.ts';
import { bootstrapText, httpListener, staticCluster } from '../support/envoy-json.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { RawBackend } from '../support/raw-backend.ts';
import { RawClient } from '../support/raw-client.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { turns } from '../support/turns.ts';
import { managerJson, typed } from './api/samples.ts';
import { Dice } from './http1/fuzz/dice.ts';
import { mutateJson } from './json-mutator.ts';
import { richCluster, richFilters, richManager, richRoutes } from './rich-resources.ts';

const router = {
  name: 'envoy.filters.http.router',
  typed_config: typed('envoy.extensions.filters.http.router.v3.Router'),
};
const backend = new RawBackend();

beforeAll(() => backend.start());
afterAll(() => backend.close());

/** All that is mutated. */
const configuration = {
  manager: managerJson({ ...richManager, http_filters: [...richFilters, router], route_config: richRoutes }),
  cluster: richCluster,
};

function bootstrapOf({ manager, cluster }: typeof configuration): string {
  const clusters = ['a', 'b'].map((name) => staticCluster(name, [backend.port], cluster));
  return bootstrapText([httpListener({ manager })], clusters);
}

const requests = [
  'GET /a/b?q=z HTTP/1.1\r\nHost: a.example\r\nx-user: u\r\nend-user: jason\r\nx-fault: yes\r\n\r\n',
  'POST /a/b?q=xz HTTP/1.1\r\nHost: x.a.example\r\nCookie: c=1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n',
  'GET /direct HTTP/1.1\r\nHost: a.example\r\n\r\n',
  'GET /moved/1?x HTTP/1.1\r\nHost: a.example\r\n\r\n',
  'OPTIONS /a/b?q=z HTTP/1.1\r\nHost: a.example\r\nOrigin: https://a\r\nAccess-Control-Request-Method: GET\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: other\r\n\r\n',
];

/** Faults of handlers, which the proxy catches and logs. */
function faultCollector(faults: string[]): Logger {
  const logger: Logger = {
    ...silentLogger,
    error: (message, fields) => void faults.push(`${message} ${JSON.stringify(fields)}`),
    child: () => logger,
  };
  return logger;
}

/** Serves every request once, and lets this time pass. Returns how many were answered. */
async function serve(server: ProxyServer, clock: ManualClock, afterwardsMs: number): Promise<number> {
  const port = server.listeners.list()[0]?.port ?? 0;
  let answered = 0;
  for (const request of requests) {
    const client = await RawClient.connect(port);
    client.send(request);
    for (let i = 0; i < 30 && client.receivedBytes === 0 && !client.isOver; i++) {
      await turns(1);
      clock.advance(10);
    }
    answered += client.receivedBytes > 0 ? 1 : 0;
    client.destroy();
  }
  clock.advance(afterwardsMs);
  await turns(2);
  return answered;
}

describe('R3: a configuration that is damaged at random', () => {
  it('is refused by the names of its faults, or serves requests without a fault of the proxy', async () => {
    const inputs = 600;
    const dice = new Dice(seededRandom(7));
    let [accepted, refused, answered] = [0, 0, 0];
    for (let i = 0; i < inputs; i++) {
      const text = bootstrapOf(i === 0 ? configuration : mutateJson(configuration, dice));
      const where = `input ${i}: ${text}`;
      const { value, errors } = readBootstrap(text, 'test');
      if (errors !== undefined) {
        refused += 1;
        for (const { path, message } of errors) expect([path, message], where).not.toContain('');
        expect(errors.length).toBeGreaterThan(0);
        continue;
      }
      accepted += 1;
      const faults: string[] = [];
      const clock = new ManualClock();
      const server = new ProxyServer(value, { clock, logger: faultCollector(faults), random: dice.random });
      try {
        await server.start();
        // Files are looked at every second and hosts are judged: an hour takes longer than all the rest.
        answered += await serve(server, clock, accepted % 10 === 0 ? 3_600_000 : 60_000);
      } catch (error) {
        throw new Error(where, { cause: error });
      } finally {
        await server.close();
      }
      expect(faults, where).toEqual([]);
    }
    expect(accepted).toBeGreaterThan(inputs / 5);
    expect(refused).toBeGreaterThan(inputs / 5);
    expect(answered).toBeGreaterThan(accepted * 4);
  }, 120_000);
});

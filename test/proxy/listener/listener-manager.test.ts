import { afterEach, describe, expect, test } from 'vitest';
import { Backend, echo, echoOf } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { httpListener, routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { RawConnection } from '../../support/raw-connection.ts';
import { until } from '../../support/turns.ts';
import { unusedPort } from '../../support/unused-port.ts';

/** Two listeners to one backend: `inbound` and `outbound`. */
async function start(): Promise<{ proxy: ProxyParts; backend: Backend }> {
  const backend = closeAfterTest(await Backend.start());
  const proxy = closeAfterTest(
    new ProxyParts({
      routes: routeConfiguration([routeTo('backend')]),
      clusters: [staticCluster('backend', [backend.port])],
      listeners: [
        httpListener({ name: 'inbound', routes: routeConfiguration([]), direction: 'INBOUND' }),
        httpListener({ name: 'outbound', routes: routeConfiguration([]), direction: 'OUTBOUND' }),
      ],
    }),
  );
  await proxy.start();
  return { proxy, backend };
}

const listener = (name: string, port: number, prefix = name) =>
  httpListener({ name, port, routes: routeConfiguration([]), manager: { stat_prefix: prefix } });

describe('a route change', () => {
  test('reaches open connections, which stay open, and a request under way keeps its route', async () => {
    const { proxy, backend } = await start();
    const client = closeAfterTest(await RawConnection.open(proxy.port()));
    expect((await client.get()).status).toBe(200);
    let finish = (): void => {};
    backend.respond = (_request, response) => (finish = () => void response.end('as it began'));
    const running = client.get();
    await until(() => backend.requests === 2);
    proxy.setRoutes(
      routeConfiguration([
        { match: { prefix: '/' }, direct_response: { status: 218, body: { inline_string: 'new' } } },
      ]),
    );
    finish();
    expect(await running).toMatchObject({ status: 200, body: 'as it began' });
    expect(await client.get()).toMatchObject({ status: 218, body: 'new' });
    expect(proxy.stat('http.inbound.downstream_cx_total')).toBe(1);
  });
});

describe('LDS', () => {
  test('adds a listener', async () => {
    const { proxy } = await start();
    expect(await proxy.replaceListeners([listener('added', 0)])).toEqual([]);
    expect((await call(proxy.port('added'))).status).toBe(200);
  });

  test('leaves static listeners alone, whatever it says', async () => {
    const { proxy } = await start();
    const before = proxy.port('inbound');
    expect(await proxy.replaceListeners([])).toEqual([]);
    expect(proxy.port('inbound')).toBe(before);
    expect((await call(before)).status).toBe(200);
  });

  test('an equal listener is not touched', async () => {
    const { proxy } = await start();
    const port = await unusedPort();
    await proxy.replaceListeners([listener('dynamic', port)]);
    const client = closeAfterTest(await RawConnection.open(port));
    expect((await client.get()).headers).not.toHaveProperty('connection');
    await proxy.replaceListeners([listener('dynamic', port)]);
    expect((await client.get()).headers).not.toHaveProperty('connection');
  });

  test('a changed listener applies to new connections; an open one finishes what it does and is asked to reconnect', async () => {
    const { proxy, backend } = await start();
    const port = await unusedPort();
    await proxy.replaceListeners([listener('dynamic', port, 'before')]);
    const open = closeAfterTest(await RawConnection.open(port));
    expect((await open.get()).status).toBe(200);
    let finish = (): void => {};
    backend.respond = (_request, response) => (finish = () => void response.end('finished'));
    const running = open.get();
    await until(() => backend.requests === 2);
    backend.respond = echo;
    expect(await proxy.replaceListeners([listener('dynamic', port, 'after')])).toEqual([]);
    const fresh = closeAfterTest(await RawConnection.open(port));
    expect((await fresh.get()).status).toBe(200);
    finish();
    expect(await running).toMatchObject({ body: 'finished', headers: { connection: 'close' } });
    await open.waitForEnd();
    expect(proxy.stat('http.before.downstream_rq_total')).toBe(2);
    expect(proxy.stat('http.after.downstream_rq_total')).toBe(1);
  });

  test('an idle connection of a changed listener serves one more request: closing it would race with that', async () => {
    const { proxy } = await start();
    const port = await unusedPort();
    await proxy.replaceListeners([listener('dynamic', port, 'before')]);
    const idle = closeAfterTest(await RawConnection.open(port));
    expect((await idle.get()).status).toBe(200);
    await proxy.replaceListeners([listener('dynamic', port, 'after')]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(idle.isEnded).toBe(false);
    expect(await idle.get()).toMatchObject({ status: 200, headers: { connection: 'close' } });
    await idle.waitForEnd();
  });

  test('a listener that moves is bound at its new address before it leaves the old one', async () => {
    const { proxy, backend } = await start();
    const [from, to] = [await unusedPort(), await unusedPort()];
    await proxy.replaceListeners([listener('dynamic', from)]);
    const open = closeAfterTest(await RawConnection.open(from));
    let finish = (): void => {};
    backend.respond = (_request, response) => (finish = () => void response.end('finished'));
    const running = open.get();
    await until(() => backend.requests === 1);
    backend.respond = echo;
    expect(await proxy.replaceListeners([listener('dynamic', to)])).toEqual([]);
    expect((await call(to)).status).toBe(200);
    await expect(call(from)).rejects.toThrow('ECONNREFUSED');
    finish();
    expect((await running).body).toBe('finished');
  });

  test('a removed listener accepts nothing any more and finishes what runs', async () => {
    const { proxy, backend } = await start();
    const port = await unusedPort();
    await proxy.replaceListeners([listener('dynamic', port)]);
    const open = closeAfterTest(await RawConnection.open(port));
    let finish = (): void => {};
    backend.respond = (_request, response) => (finish = () => void response.end('finished'));
    const running = open.get();
    await until(() => backend.requests === 1);
    await proxy.replaceListeners([]);
    await expect(call(port)).rejects.toThrow('ECONNREFUSED');
    finish();
    expect((await running).body).toBe('finished');
    await open.waitForEnd();
  });

  test('a port is free for another listener in the update that removes its owner', async () => {
    const { proxy } = await start();
    const port = await unusedPort();
    await proxy.replaceListeners([listener('one', port)]);
    expect(await proxy.replaceListeners([listener('two', port)])).toEqual([]);
    expect((await call(port)).status).toBe(200);
  });

  test('a port that is taken is an error that names the listener, and nothing of the update is in force', async () => {
    const { proxy, backend } = await start();
    const [kept, fine] = [await unusedPort(), await unusedPort()];
    await proxy.replaceListeners([listener('kept', kept)]);
    const errors = await proxy.replaceListeners([listener('blocked', backend.port), listener('fine', fine)]);
    expect(errors).toEqual([
      expect.stringMatching(new RegExp(`^blocked: cannot listen on 127\\.0\\.0\\.1:${backend.port}: .*EADDRINUSE`)),
    ]);
    await expect(call(fine)).rejects.toThrow('ECONNREFUSED');
    expect((await call(kept)).status).toBe(200);
  });

  test('a new listener answers nobody before its routes are there, and then everybody who waits', async () => {
    const { proxy, backend } = await start();
    const port = await unusedPort();
    proxy.hasRoutes = false;
    await proxy.replaceListeners([listener('warming', port)]);
    const waiting = [call(port), call(port)];
    // Were the waiting ones read, they would be answered by the time that a later request on a warm listener is.
    proxy.hasRoutes = true;
    await proxy.replaceListeners([listener('warming', port), listener('warm', 0)]);
    expect((await call(proxy.port('warm'))).status).toBe(200);
    expect(backend.requests).toBe(1);
    proxy.listeners.warmListeners();
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200]);
    expect((await call(port)).status).toBe(200);
  });

  test('a listener whose new port is taken stays where it is', async () => {
    const { proxy, backend } = await start();
    const port = await unusedPort();
    await proxy.replaceListeners([listener('dynamic', port)]);
    expect(await proxy.replaceListeners([listener('dynamic', backend.port)])).toHaveLength(1);
    expect((await call(port)).status).toBe(200);
  });
});

test('a static listener whose port is taken is why the start fails', async () => {
  const backend = closeAfterTest(await Backend.start());
  const proxy = closeAfterTest(new ProxyParts({ listeners: [listener('static', backend.port)] }));
  await expect(proxy.start()).rejects.toThrow(`listener static: cannot listen on 127.0.0.1:${backend.port}`);
});

/** Until connections are refused. The kernel may still take some that nobody will accept. */
async function untilRefused(port: number): Promise<void> {
  for (let isRefused = false; !isRefused;) {
    const opened = await RawConnection.open(port).catch(() => undefined);
    isRefused = opened === undefined;
    opened?.destroy();
  }
}

describe('a drain', () => {
  let finish: (() => void)[] = [];
  afterEach(() => {
    finish = [];
  });

  /** A request under way through each of the two listeners. */
  async function startBusy() {
    const setting = await start();
    const { proxy, backend } = setting;
    backend.respond = (request, response) => {
      finish.push(() => echo(request, response, backend));
    };
    const clients = {
      inbound: closeAfterTest(await RawConnection.open(proxy.port('inbound'))),
      outbound: closeAfterTest(await RawConnection.open(proxy.port('outbound'))),
    };
    const answers = { inbound: clients.inbound.get('/in'), outbound: clients.outbound.get('/out') };
    await until(() => backend.requests === 2);
    return { ...setting, clients, answers };
  }

  test('lets requests under way finish, and announces that their connection closes', async () => {
    const { proxy, answers, clients } = await startBusy();
    const drained = proxy.listeners.drain(5_000);
    await untilRefused(proxy.port('inbound'));
    for (const answer of finish) answer();
    for (const side of ['inbound', 'outbound'] as const) {
      const { status, headers } = await answers[side];
      expect({ status, connection: headers['connection'] }).toEqual({ status: 200, connection: 'close' });
      await clients[side].waitForEnd();
    }
    await drained;
  });

  test('keeps outbound listeners until inbound requests are done: they may need them', async () => {
    const { proxy, backend, answers } = await startBusy();
    const outboundPort = proxy.port('outbound');
    const drained = proxy.listeners.drain(5_000);
    await untilRefused(proxy.port('inbound'));
    backend.respond = echo;
    expect((await call(outboundPort)).status).toBe(200);
    for (const answer of finish) answer();
    await Promise.all([answers.inbound, answers.outbound, drained]);
    await expect(call(outboundPort)).rejects.toThrow('ECONNREFUSED');
  });

  test('accepts on once it is announced, while every response asks to reconnect', async () => {
    const { proxy } = await start();
    const kept = closeAfterTest(await RawConnection.open(proxy.port()));
    await kept.get();
    proxy.listeners.announceDrain();
    expect((await call(proxy.port())).headers['connection']).toBe('close');
    const { headers, body } = await kept.get();
    expect(headers['connection']).toBe('close');
    expect(echoOf({ body }).url).toBe('/');
    await proxy.listeners.drain(5_000);
  });

  test('closes idle connections', async () => {
    const { proxy } = await start();
    const idle = closeAfterTest(await RawConnection.open(proxy.port()));
    await idle.get();
    await Promise.all([proxy.listeners.drain(5_000), idle.waitForEnd()]);
  });

  test('ends at its deadline, whatever still runs', async () => {
    const { proxy, answers } = await startBusy();
    const outcomes = Promise.allSettled([answers.inbound, answers.outbound]);
    const startMs = performance.now();
    await proxy.listeners.drain(200);
    expect(performance.now() - startMs).toBeLessThan(1_500);
    for (const { status } of await outcomes) expect(status).toBe('rejected');
  });
});

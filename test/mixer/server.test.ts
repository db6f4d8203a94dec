import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { MixerServer } from '../../mixer/server.ts';
import { silentLogger } from '../../proxy/common/log.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { findSample, parsePrometheusText } from '../support/prometheus-text.ts';
import { requestsTotal, scrape, Sidecar, startMixer, until } from './mesh-of-two.ts';

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function mixer(options: Parameters<typeof startMixer>[0] = {}): Promise<MixerServer> {
  const server = await startMixer(options);
  closers.push(() => server.close());
  return server;
}

async function get(server: MixerServer, path: string, method = 'GET'): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${server.metricsPort}${path}`, { method });
  return { status: response.status, text: await response.text() };
}

describe('HTTP', () => {
  test('/metrics is valid exposition format from the start, with the metrics of mixer itself', async () => {
    const server = await mixer();
    const response = await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const families = parsePrometheusText(await response.text());
    expect(findSample(families, 'heddle_mixer_batches_total')).toBe(0);
    expect(findSample(families, 'heddle_mixer_rejected_total', { reason: 'value' })).toBe(0);
    expect(findSample(families, 'heddle_mixer_series')).toBe(0);
  });

  test('health, readiness, unknown paths and other methods have their status', async () => {
    const server = await mixer();
    expect(await get(server, '/healthz')).toEqual({ status: 200, text: 'ok\n' });
    expect(await get(server, '/ready')).toEqual({ status: 200, text: 'ready\n' });
    expect((await get(server, '/metrics?name=x')).status).toBe(200);
    expect((await get(server, '/metrics', 'HEAD')).text).toBe('');
    expect((await get(server, '/nothing')).status).toBe(404);
    expect((await get(server, '/metrics', 'POST')).status).toBe(405);
  });

  test('a scraper that goes away in the middle, or reads slowly, stops nobody', async () => {
    const server = await mixer();
    const sidecar = new Sidecar('order', { mixer: server });
    closers.push(() => sidecar.sink.close());
    for (let i = 0; i < 300; i += 1) sidecar.request(1, `v${i}`);
    await sidecar.sink.start();
    await sidecar.tickUntil(server, 300);
    const socket = connect(server.metricsPort, '127.0.0.1').pause();
    socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.resume();
    await once(socket, 'data');
    socket.pause();
    expect(await requestsTotal(server)).toBe(300);
    socket.destroy();
    expect(await requestsTotal(server)).toBe(300);
  });
});

describe('what mixer says of itself', () => {
  test('streams, instances, series, batches and samples', async () => {
    const server = await mixer();
    const sidecars = [new Sidecar('a', { mixer: server }), new Sidecar('b', { mixer: server })];
    for (const sidecar of sidecars) {
      closers.push(() => sidecar.sink.close());
      sidecar.request(1);
      await sidecar.sink.start();
    }
    await until(async () => (await requestsTotal(server)) === 2, 'both reports');
    const families = await scrape(server);
    expect(findSample(families, 'heddle_mixer_streams')).toBe(2);
    expect(findSample(families, 'heddle_mixer_instances')).toBe(2);
    expect(findSample(families, 'heddle_mixer_series')).toBe(8);
    expect(findSample(families, 'heddle_mixer_batches_total')).toBe(4);
    expect(findSample(families, 'heddle_mixer_samples_total')).toBe(8);
    await sidecars[0]?.sink.close();
    await until(async () => findSample(await scrape(server), 'heddle_mixer_streams') === 1, 'the end of one stream');
  });

  test('series and instances go when their time is over', async () => {
    const clock = new ManualClock();
    const server = await mixer({ clock, limits: { foldAfterMs: 600_000, expireAfterMs: 1_200_000 } });
    const sidecar = new Sidecar('order', { mixer: server });
    sidecar.request(1);
    await sidecar.sink.start();
    await sidecar.tickUntil(server, 1);
    await sidecar.sink.close();
    await until(async () => findSample(await scrape(server), 'heddle_mixer_streams') === 0, 'the end of the stream');
    clock.advance(600_000);
    expect(findSample(await scrape(server), 'heddle_mixer_instances')).toBe(0);
    expect(await requestsTotal(server)).toBe(1);
    clock.advance(600_000);
    const families = await scrape(server);
    expect(findSample(families, 'heddle_mixer_series')).toBe(0);
    expect(families.has('istio_requests_total')).toBe(false);
  });
});

describe('lifecycle', () => {
  test('start, drain and close may be called again, and close frees the ports', async () => {
    const server = await mixer();
    await server.start();
    const { grpcPort, metricsPort } = server;
    await server.drain(1000);
    await server.drain(1000);
    await server.close();
    const again = await mixer({ grpcPort, metricsPort });
    expect((await get(again, '/ready')).status).toBe(200);
    expect(again.grpcPort).toBe(grpcPort);
  });

  test('drain answers open streams: a sidecar then finds the next mixer and nothing is missing', async () => {
    const first = await mixer();
    const sidecar = new Sidecar('order', { mixer: first });
    closers.push(() => sidecar.sink.close());
    await sidecar.sink.start();
    sidecar.request(2);
    await sidecar.tickUntil(first, 2);
    const second = await mixer();
    sidecar.setMixer(second);
    await first.drain(5000);
    sidecar.request(1);
    await sidecar.tickUntil(second, 3);
  });

  test('a mixer that never started closes', async () => {
    const server = new MixerServer({ logger: silentLogger });
    await server.close();
    expect(server.grpcPort).toBe(0);
    expect(server.metricsPort).toBe(0);
  });

  test('a port that is taken rejects the start, and what was open is closed again', async () => {
    const taken = createServer();
    taken.listen(0, '127.0.0.1');
    await once(taken, 'listening');
    closers.push(async () => void taken.close());
    const { port } = taken.address() as AddressInfo;
    const onMetricsPort = new MixerServer({ grpcPort: 0, metricsPort: port, logger: silentLogger });
    await expect(onMetricsPort.start()).rejects.toThrow(/EADDRINUSE/);
    await onMetricsPort.close();
    const onGrpcPort = new MixerServer({ grpcPort: port, metricsPort: 0, logger: silentLogger });
    await expect(onGrpcPort.start()).rejects.toThrow();
    await onGrpcPort.close();
  });
});

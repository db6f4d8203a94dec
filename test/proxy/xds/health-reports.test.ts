import { describe, expect, test } from 'vitest';
import { type Health, reportedHealth } from '../../../proxy/api/health.ts';
import { connect, createClient, startServer, takeSubscriptions } from './connected-client.ts';
import type { FakeAdsStream } from './fake-ads-server.ts';

const healthy: Health = { kind: 'healthy' };
const unhealthy: Health = { kind: 'unhealthy', reason: 'nobody listens' };

/** The next request, which must be a report. */
const nextReport = async (stream: FakeAdsStream): Promise<Health | undefined> => reportedHealth(await stream.next());

describe('a health report', () => {
  test('is sent on the stream at hand, each as it comes', async () => {
    const { client, stream } = await connect();
    await takeSubscriptions(stream);
    client.reportHealth(unhealthy);
    expect(await nextReport(stream)).toEqual(unhealthy);
    client.reportHealth(healthy);
    expect(await nextReport(stream)).toEqual(healthy);
  });

  test('is no subscription: it carries no version, no nonce and no node', async () => {
    const { client, stream } = await connect();
    await takeSubscriptions(stream);
    client.reportHealth(healthy);
    expect(await stream.next()).toMatchObject({
      versionInfo: '',
      responseNonce: '',
      resourceNames: [],
      node: undefined,
    });
  });

  test('is not there before the first one was made', async () => {
    const { client, stream } = await connect();
    await takeSubscriptions(stream);
    stream.send('LDS', 'l1');
    expect((await stream.next()).name).toBe('LDS');
    expect(stream.hasNothingMore).toBe(true);
    expect(client.isConnected).toBe(true);
  });

  test('made while there is no stream is sent on the first one, behind the subscriptions', async () => {
    const server = await startServer();
    const { client } = createClient(server.port);
    client.reportHealth(unhealthy);
    client.reportHealth(healthy);
    await client.start();
    const stream = await server.nextStream();
    const subscriptions = await takeSubscriptions(stream);
    expect(subscriptions.map(({ name }) => name)).toEqual(['CDS', 'LDS']);
    expect(await nextReport(stream)).toEqual(healthy);
  });

  test('is repeated at once by the stream that follows, the last one only', async () => {
    const { client, server, stream } = await connect();
    client.reportHealth(unhealthy);
    client.reportHealth(healthy);
    stream.end();
    const next = await server.nextStream();
    await takeSubscriptions(next);
    expect(await nextReport(next)).toEqual(healthy);
    next.send('LDS', 'l1');
    expect((await next.next()).name).toBe('LDS');
  });

  test('is repeated to a control plane that was restarted', async () => {
    const { client, server, stream } = await connect();
    client.reportHealth(healthy);
    await takeSubscriptions(stream);
    expect(await nextReport(stream)).toEqual(healthy);
    server.stop();
    await server.start();
    const next = await server.nextStream();
    await takeSubscriptions(next);
    expect(await nextReport(next)).toEqual(healthy);
  });

  test('carries the node when it is the first request of the stream', async () => {
    const server = await startServer();
    const services = [{ envoy_grpc: { cluster_name: 'xds' } }];
    const adsConfig = { api_type: 'GRPC', transport_api_version: 'V3', grpc_services: services } as const;
    const { client } = createClient(server.port, {}, { dynamic_resources: { ads_config: adsConfig } });
    await client.start();
    client.reportHealth(healthy);
    const request = await (await server.nextStream()).next();
    expect(reportedHealth(request)).toEqual(healthy);
    expect(request.node?.cluster).toBe('a.default');
  });

  test('after the close goes nowhere', async () => {
    const { client, stream } = await connect();
    await takeSubscriptions(stream);
    await client.close();
    client.reportHealth(healthy);
    await stream.closed;
    expect(stream.hasNothingMore).toBe(true);
  });
});

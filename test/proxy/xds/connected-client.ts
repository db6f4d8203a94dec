/** ADS clients that are connected to a fake server; both end with their test. */
import { onTestFinished } from 'vitest';
import type { Bootstrap as BootstrapJson } from '../../../proxy/api/envoy.gen.ts';
import { readBootstrap } from '../../../proxy/bootstrap.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { silentLogger } from '../../../proxy/common/log.ts';
import { AdsClient, type AdsClientOptions } from '../../../proxy/xds/ads-client.ts';
import { ads, http2Options, staticClusterJson } from '../api/samples.ts';
import { FakeAdsServer, type FakeAdsStream } from './fake-ads-server.ts';
import { RecordingSink } from './recording-sink.ts';

export async function startServer(): Promise<FakeAdsServer> {
  const server = new FakeAdsServer();
  await server.start();
  onTestFinished(() => server.stop());
  return server;
}

/** A client whose back-off is always zero, unless the test says otherwise. */
export function createClient(port: number, options: Partial<AdsClientOptions> = {}, change: BootstrapJson = {}) {
  const json: BootstrapJson = {
    node: { id: 'sidecar~127.0.0.1~a.default~default.svc.cluster.local', cluster: 'a.default' },
    static_resources: {
      clusters: [{ ...staticClusterJson('xds', port), typed_extension_protocol_options: http2Options }],
    },
    dynamic_resources: {
      ads_config: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
      cds_config: ads,
      lds_config: ads,
    },
    ...change,
  };
  const bootstrap = requireValue(readBootstrap(JSON.stringify(json), 'test'), 'test');
  const sink = new RecordingSink();
  const client = new AdsClient({ bootstrap, sink, logger: silentLogger, random: () => 0, ...options });
  onTestFinished(() => client.close());
  return { client, sink };
}

export async function connect(options: Partial<AdsClientOptions> = {}) {
  const server = await startServer();
  const { client, sink } = createClient(server.port, options);
  await client.start();
  const stream = await server.nextStream();
  return { server, client, sink, stream };
}

/** Takes the two first requests of a stream. */
export async function takeSubscriptions(stream: FakeAdsStream) {
  return [await stream.next(), await stream.next()] as const;
}

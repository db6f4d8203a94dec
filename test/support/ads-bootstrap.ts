/** A bootstrap that takes clusters and listeners from a control plane on a loopback port. */
import { bootstrapText, staticCluster } from './envoy-json.ts';

export function adsBootstrapText(adsPort: number): string {
  const pilot = staticCluster('pilot', [adsPort], { http2_protocol_options: {} });
  const bootstrap = JSON.parse(bootstrapText([], [pilot])) as object;
  const throughAds = { ads: {}, resource_api_version: 'V3' };
  return JSON.stringify({
    ...bootstrap,
    dynamic_resources: {
      cds_config: throughAds,
      lds_config: throughAds,
      ads_config: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'pilot' } }],
      },
    },
  });
}

/** The one place where a sidecar finds what it is told to subscribe to: the ADS stream that told it. */
import type { ConfigSource } from '../../proxy/api/envoy.gen.ts';

export const adsConfigSource: ConfigSource = { ads: {}, resource_api_version: 'V3' };

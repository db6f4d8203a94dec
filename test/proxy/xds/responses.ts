import { type DiscoveryResponse, typeUrlOf } from '../../../proxy/api/discovery.ts';
import type { RootMessages } from '../../../proxy/api/envoy.gen.ts';
import { encode } from '../../../proxy/api/protojson.ts';
import { type DiscoveryName, resourceTypes } from '../../../proxy/api/resource-types.ts';

type MessageNameOf<D extends DiscoveryName> = (typeof resourceTypes)[D]['messageName'];
export type JsonOf<D extends DiscoveryName> = RootMessages[MessageNameOf<D>];

/** A response as the client decodes it; its nonce is `nonce-` and the version. */
export function responseOf<D extends DiscoveryName>(
  name: D,
  versionInfo: string,
  resources: readonly (JsonOf<D> | Uint8Array)[],
): DiscoveryResponse {
  const messageName: MessageNameOf<D> = resourceTypes[name].messageName;
  const typeUrl = typeUrlOf(messageName);
  return {
    typeUrl,
    versionInfo,
    nonce: `nonce-${versionInfo}`,
    resources: resources.map((resource) => ({
      typeUrl,
      value:
        resource instanceof Uint8Array ? resource : encode(messageName, resource as RootMessages[MessageNameOf<D>]),
    })),
  };
}

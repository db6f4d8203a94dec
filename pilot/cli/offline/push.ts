/** One push as the ADS stream carries it: pilot's resources as bytes in, ACKs out. A NACK is an error here. */
import {
  type DiscoveryRequest,
  decodeDiscoveryResponse,
  encodeDiscoveryResponse,
} from '../../../proxy/api/discovery.ts';
import type { NodeMetadata } from '../../../proxy/api/node.ts';
import { type DiscoveryName, discoveryNames, resourceTypes } from '../../../proxy/api/resource-types.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import type { DynamicConfiguration } from '../../../proxy/xds/dynamic-configuration.ts';
import type { PushContext } from '../../model/push-context.ts';
import { createGenerators } from '../../xds/generators.ts';
import { ResourceEncoder } from '../../xds/resource-encoder.ts';

/** Until the proxy asks for nothing more: in apply order, and again for what its new configuration refers to. */
export async function pushTo(
  configuration: DynamicConfiguration,
  node: NodeMetadata,
  push: PushContext,
): Promise<void> {
  const generators = createGenerators(new ResourceEncoder(), undefined);
  let wanted: readonly DiscoveryName[] = discoveryNames;
  for (let round = 0; wanted.length > 0; round++) {
    if (round > discoveryNames.length) throw new Error(`the proxy keeps asking for ${wanted.join(', ')}`);
    const asking = new Set<DiscoveryName>();
    for (const name of discoveryNames.filter((each) => wanted.includes(each))) {
      const request = requestOf(configuration, name);
      if (request === undefined) continue;
      const { all, lookup } = generators[name];
      const find = lookup(node, push);
      const resources = resourceTypes[name].isComplete
        ? [...all(node, push).values()]
        : request.resourceNames.flatMap((resource) => find(resource) ?? []);
      const bytes = encodeDiscoveryResponse(
        { typeUrl: request.typeUrl, versionInfo: `${round}`, nonce: `${name}-${round}` },
        resources.flatMap((resource) => resource.parts()),
      );
      const response = requireValue(decodeDiscoveryResponse(bytes), name);
      // The first name is the answer to this response, the others are new subscriptions.
      for (const other of (await configuration.apply(name, response)).slice(1)) asking.add(other);
      const { status } = configuration.subscriptions[name];
      if (status.kind === 'nacked') throw new Error(`${name} refused: ${JSON.stringify(status.errors)}`);
    }
    wanted = [...asking];
  }
}

function requestOf(configuration: DynamicConfiguration, name: DiscoveryName): DiscoveryRequest | undefined {
  const subscription = configuration.subscriptions[name];
  return subscription.isWanted ? subscription.request() : undefined;
}

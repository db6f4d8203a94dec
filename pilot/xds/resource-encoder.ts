/** Turns resources into the bytes that travel, once per version; all streams send the same bytes. */
import { createHash } from 'node:crypto';
import { encodeResource } from '../../proxy/api/discovery.ts';
import type { RootMessages } from '../../proxy/api/envoy.gen.ts';
import type { MessageName } from '../../proxy/api/protojson.ts';

/** One resource as a discovery response carries it. */
export interface EncodedResource {
  readonly name: string;
  /** Hash of the content: equal versions are equal bytes. */
  readonly version: string;
  /** A cluster whose endpoints come from EDS: it takes no traffic before they have come. */
  readonly needsEndpoints?: boolean;
  /** The `resources` field of a DiscoveryResponse, tag and length included, in one or several pieces. */
  parts(): readonly Uint8Array[];
}

export class ResourceEncoder {
  #encodedTotal = 0;

  /** How many resources were encoded so far. */
  get encodedTotal(): number {
    return this.#encodedTotal;
  }

  encode<N extends MessageName>(name: string, messageName: N, json: RootMessages[N]): EncodedResource {
    this.#encodedTotal += 1;
    const parts = [encodeResource(messageName, json)];
    return { name, version: contentHash(parts), parts: () => parts };
  }
}

/** Twelve bytes of SHA-256 in base64url: short enough to read, and nobody can find two contents with one version. */
export function contentHash(parts: Iterable<string | Uint8Array>): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest().subarray(0, 12).toString('base64url');
}

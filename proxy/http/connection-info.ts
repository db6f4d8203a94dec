/** What is the same of every connection that carries no requests, as access logs read it. */
import { noRequest, noResponse } from './message-head.ts';
import type { StreamInfo } from './stream-info.ts';

export abstract class ConnectionInfo {
  readonly isConnection = true;
  readonly request = noRequest;
  readonly response = noResponse;
  readonly requestEndMs = -1;
  readonly responseStartMs = -1;
  readonly routeName = '';
  readonly traceId = '';
  readonly metadata = undefined;
  terminationDetails: string | undefined = undefined;
  abstract readonly codec: NonNullable<StreamInfo['codec']>;
  abstract readonly cluster: { readonly config: { readonly name: string } } | undefined;

  get clusterName(): string | undefined {
    return this.cluster?.config.name;
  }

  get remoteAddress(): string {
    return this.codec.remoteAddress;
  }
}

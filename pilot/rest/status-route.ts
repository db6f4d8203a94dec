/** `PUT …/NAME/status`: writes the status of a resource and nothing else of it, as Kubernetes' subresource does. */
import type { Resource } from '../../crds/resource.ts';
import type { ApiRequest, ApiResponse } from './router.ts';
import { ApiError } from './status.ts';
import type { Writer } from './writer.ts';

/** Far more than any status says, and no way to fill the disk. */
const maxStatusChars = 262_144;

export interface StatusPlace {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Body: the resource with its new status. With a resourceVersion it must be at that version: 409 otherwise. */
export async function putStatus(request: ApiRequest, place: StatusPlace, writer: Writer): Promise<ApiResponse> {
  const body = (await request.readBody()) as Partial<Resource> | null | undefined;
  const { status, metadata } = body ?? {};
  if (typeof status !== 'object' || status === null || Array.isArray(status)) {
    throw new ApiError('BadRequest', 'expected the resource with its status, an object');
  }
  const { length } = JSON.stringify(status);
  if (length > maxStatusChars) {
    throw new ApiError('RequestEntityTooLarge', `a status has at most ${maxStatusChars} characters, got ${length}`);
  }
  const resourceVersion = metadata?.resourceVersion;
  if (resourceVersion !== undefined && typeof resourceVersion !== 'string') {
    throw new ApiError('BadRequest', 'metadata.resourceVersion must be a string');
  }
  return { body: await writer.writeStatus({ key: place, resourceVersion, status }) };
}

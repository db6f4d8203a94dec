/** `…/NAME/status`: writes the status of a resource and nothing else of it, as Kubernetes' subresource does. */
import type { Resource, ResourceKey } from '../../crds/resource.ts';
import { mergePatch } from './merge-patch.ts';
import { ApiError } from './status.ts';
import type { Writer } from './writer.ts';

/** Far more than any status says, and no way to fill the disk. */
const maxStatusChars = 262_144;

/** `written`: the resource with its new status. With a resourceVersion it must be at that version: 409 otherwise. */
export async function putStatus(written: unknown, key: ResourceKey, writer: Writer): Promise<Resource> {
  const { status, metadata } = (written ?? {}) as Partial<Resource>;
  expectObject(status);
  return await writer.writeStatus({ key, resourceVersion: versionIn(metadata), statusOf: () => bounded(status) });
}

/** `patch`: of the resource; what it says beside `status` and `metadata.resourceVersion` is not looked at. */
export async function patchStatus(patch: unknown, key: ResourceKey, writer: Writer): Promise<Resource> {
  const { status, metadata } = (patch ?? {}) as Partial<Resource>;
  expectObject(status);
  const statusOf = (current: Resource): object => bounded(mergePatch(current.status, status));
  return await writer.writeStatus({ key, resourceVersion: versionIn(metadata), statusOf });
}

function expectObject(status: unknown): void {
  if (typeof status === 'object' && status !== null && !Array.isArray(status)) return;
  throw new ApiError('BadRequest', 'expected the resource with its status, an object');
}

function bounded(status: unknown): object {
  const { length } = JSON.stringify(status);
  if (length <= maxStatusChars) return status as object;
  throw new ApiError('RequestEntityTooLarge', `a status has at most ${maxStatusChars} characters, got ${length}`);
}

function versionIn(metadata: Partial<Resource['metadata']> | undefined): string | undefined {
  const version: unknown = metadata?.resourceVersion;
  if (version === undefined || typeof version === 'string') return version || undefined;
  throw new ApiError('BadRequest', 'metadata.resourceVersion must be a string');
}

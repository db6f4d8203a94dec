/** `…/NAME/status`: writes the status of a resource and nothing else of it, as Kubernetes' subresource does. */
import type { Resource, ResourceKey } from '../../crds/resource.ts';
import { jsonPatch, jsonPatchType } from './json-patch.ts';
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

export interface StatusPatch {
  readonly resourceVersion: string | undefined;
  readonly statusOf: (current: Resource) => object;
}

/** Of the resource; what it says beside `status` and `metadata.resourceVersion` is not looked at. */
export function statusPatchOf(type: string, patch: unknown): StatusPatch {
  if (type === jsonPatchType) return { resourceVersion: undefined, statusOf: jsonStatusPatch(patch) };
  const { status, metadata } = (patch ?? {}) as Partial<Resource>;
  expectObject(status);
  const statusOf = (current: Resource): object => bounded(mergePatch(current.status, status));
  return { resourceVersion: versionIn(metadata), statusOf };
}

function jsonStatusPatch(patch: unknown): StatusPatch['statusOf'] {
  if (!Array.isArray(patch)) throw new ApiError('BadRequest', 'expected a JSON patch, a list of operations');
  return (current) => {
    const { status } = jsonPatch({ ...current, status: current.status ?? {} }, patch) as Partial<Resource>;
    expectObject(status);
    return bounded(status);
  };
}

export async function patchStatus(patch: StatusPatch, key: ResourceKey, writer: Writer): Promise<Resource> {
  return await writer.writeStatus({ key, ...patch });
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

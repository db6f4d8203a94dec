/** How filters refuse a request: as they say themselves, or as is said for all of them. */
import type { MeshError } from '../common/errors.ts';
import type { HttpStream } from '../http/stream.ts';

export interface Refusal {
  readonly status: number;
  readonly body: string;
  readonly error: MeshError;
}

export function refuse(stream: HttpStream, { status: plainStatus, body: plainBody, error }: Refusal): void {
  stream.error = error;
  const custom = stream.refusals?.find(stream);
  const status = custom?.status ?? plainStatus;
  const body = custom?.body ?? plainBody;
  const rules = custom?.rules ?? [];
  stream.sendDirectResponse(status, body, error, rules);
}

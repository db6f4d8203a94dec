/** Bodies of requests: limited, JSON, and harmless to recurse into. */
import type { IncomingMessage } from 'node:http';
import { ApiError } from './status.ts';

/** Kubernetes' limit of a request. */
export const maxBodyBytes = 3 * 1024 * 1024;
/** Rules nest a dozen levels deep. */
const maxDepth = 64;

/** The decoded JSON of the body; undefined when it is empty. Rejects with ApiError. */
export async function readJson(request: IncomingMessage, mediaTypes: readonly string[]): Promise<unknown> {
  const text = await readText(request);
  if (text === '') return undefined;
  const expected = mediaTypes.length === 0 ? ['application/json'] : mediaTypes;
  const mediaType = mediaTypeOf(request);
  // Other types could be sent by any web page that the user has open: a browser asks first before it sends JSON.
  if (!expected.includes(mediaType)) {
    const types = expected.join(' or ');
    throw new ApiError('UnsupportedMediaType', `expected content-type ${types}, got ${mediaType || 'none'}`);
  }
  const value = parse(text);
  const fault = structureFault(value, 0);
  if (fault !== undefined) throw new ApiError('BadRequest', `the body ${fault}`);
  return value;
}

/** In lower case, without parameters; empty without. */
export function mediaTypeOf({ headers }: IncomingMessage): string {
  return (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

async function readText(request: IncomingMessage): Promise<string> {
  const tooLarge = new ApiError('RequestEntityTooLarge', `a request may have at most ${maxBodyBytes} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge;
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  await new Promise<void>((resolve, reject) => {
    // What is too much is read and dropped: a client that is still sending would not see the answer.
    request.on('data', (chunk: Buffer) => {
      sizeBytes += chunk.length;
      if (sizeBytes <= maxBodyBytes) chunks.push(chunk);
    });
    request.on('end', resolve);
    request.on('close', () => reject(new ApiError('BadRequest', 'the request was not finished')));
  });
  if (sizeBytes > maxBodyBytes) throw tooLarge;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new ApiError('BadRequest', 'the body is not valid UTF-8');
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new ApiError(
      'BadRequest',
      `the body is not valid JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** Code behind this recurses into values and copies objects. */
function structureFault(value: unknown, depth: number): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth >= maxDepth) return `nests deeper than ${maxDepth} levels`;
  if (Object.hasOwn(value, '__proto__')) return 'has the key __proto__, which is not allowed';
  for (const child of Object.values(value)) {
    const fault = structureFault(child, depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

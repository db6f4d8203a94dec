/**
 * What a limit says about itself: buckets and descriptors carry whole limits, as pilot wrote them into the sidecars'
 * configuration. So mixer needs to be told of no resource, and a push never finds it one version behind.
 */
import { formatLimit, type LimitText, parseLimit, type RateLimitNumbers } from '../../proxy/api/quota-limit.ts';

export interface NamedLimit {
  /** `NAMESPACE/NAME` of the RateLimit. */
  readonly name: string;
  readonly numbers: RateLimitNumbers;
  /** The same for the same limit. */
  readonly key: string;
}

const maxNameLength = 512;

/** Undefined when either is not of the form that pilot writes. */
export function readLimit(name: string, text: LimitText): NamedLimit | undefined {
  const numbers = parseLimit(text);
  if (numbers === undefined || name.length === 0 || name.length > maxNameLength) return undefined;
  return { name, numbers, key: `${name}\0${formatLimit(numbers)}` };
}

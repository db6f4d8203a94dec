import type { FractionalPercent } from '../../proxy/api/envoy.gen.ts';

/** Envoy counts in parts per million, which makes 0.0001 % the finest step. */
export function fractionOf(percent: number): FractionalPercent {
  return { numerator: Math.round(percent * 10_000), denominator: 'MILLION' };
}

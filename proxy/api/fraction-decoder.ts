/** Decodes `envoy.type.v3.FractionalPercent` and the form of it that runtime keys may override. */
import type { FractionalPercent, FractionalPercent_DenominatorType, RuntimeFractionalPercent } from './envoy.gen.ts';
import type { Fields } from './fields.ts';

const denominators: Readonly<Record<FractionalPercent_DenominatorType, number>> = {
  HUNDRED: 100,
  TEN_THOUSAND: 10_000,
  MILLION: 1_000_000,
};

/** A number from 0 to 1; more than all is all. Unset is 0, Envoy's default of the message. */
export function readProbability(fields: Fields<FractionalPercent> | undefined): number {
  if (fields === undefined) return 0;
  const denominator = fields.choice('denominator', ['HUNDRED', 'TEN_THOUSAND', 'MILLION']);
  return Math.min(1, fields.number('numerator', { defaultValue: 0 }) / denominators[denominator]);
}

/** Heddle has no runtime that could hold a key, so the default value is the value. */
export function readRuntimeProbability(fields: Fields<RuntimeFractionalPercent> | undefined, unset: number): number {
  if (fields === undefined) return unset;
  fields.ignore('runtime_key');
  return readProbability(fields.message('default_value'));
}

/** Decodes `envoy.type.v3.FractionalPercent` and the form of it that runtime keys may override. */
import type { FractionalPercent, FractionalPercent_DenominatorType, RuntimeFractionalPercent } from './envoy.gen.ts';
import type { Fields } from './fields.ts';

const denominators: Readonly<Record<FractionalPercent_DenominatorType, number>> = {
  HUNDRED: 100,
  TEN_THOUSAND: 10_000,
  MILLION: 1_000_000,
};

export interface Fraction {
  readonly numerator: number;
  readonly denominator: number;
}

/** Unset is nothing, Envoy's default of the message. */
export function readFraction(fields: Fields<FractionalPercent> | undefined): Fraction {
  if (fields === undefined) return { numerator: 0, denominator: 100 };
  const denominator = denominators[fields.choice('denominator', ['HUNDRED', 'TEN_THOUSAND', 'MILLION'])];
  return { numerator: fields.number('numerator', { defaultValue: 0 }), denominator };
}

/** A number from 0 to 1; more than all is all. Unset is 0. */
export function readProbability(fields: Fields<FractionalPercent> | undefined): number {
  const { numerator, denominator } = readFraction(fields);
  return Math.min(1, numerator / denominator);
}

/** Heddle has no runtime that could hold a key, so the default value is the value. */
export function readRuntimeProbability(fields: Fields<RuntimeFractionalPercent> | undefined, unset: number): number {
  if (fields === undefined) return unset;
  fields.ignore('runtime_key');
  return readProbability(fields.message('default_value'));
}

/** Which buckets of a histogram are shown: all that are counted, or some of them, for fewer series in Prometheus. */
import { standardUpperBounds } from '../../proxy/api/standard-metrics.ts';
import type { Exemplar, HistogramValue } from '../../proxy/common/exposition.ts';

export interface ExposedBuckets {
  readonly upperBounds: readonly number[];
  /** Of the counts and exemplars of a series; buckets are cumulative, with the count and the sum behind them. */
  read(values: Float64Array, exemplars: readonly (Exemplar | undefined)[] | undefined): HistogramValue;
}

const boundCount = standardUpperBounds.length;

/** Undefined: `1,5,25` is no list of bounds that are counted, rising. */
export function parseUpperBounds(text: string): readonly number[] | undefined {
  const bounds = text.split(',').map((each) => (/^\s*\d+(?:\.\d+)?\s*$/.test(each) ? Number(each) : Number.NaN));
  const isRising = bounds.every((bound, i) => i === 0 || bound > (bounds[i - 1] ?? 0));
  return isRising && bounds.every((bound) => standardUpperBounds.includes(bound)) ? bounds : undefined;
}

/** `upperBounds` are some of the standard ones, rising. */
export function exposedBuckets(upperBounds: readonly number[] = standardUpperBounds): ExposedBuckets {
  const places = upperBounds.map((bound) => standardUpperBounds.indexOf(bound));
  const isWhole = places.length === boundCount;
  return {
    upperBounds,
    read(values, exemplars) {
      const buckets = isWhole ? values : places.map((place) => values[place] ?? 0);
      const shown = isWhole || exemplars === undefined ? exemplars : latestOf(exemplars, places);
      return { buckets, count: values[boundCount] ?? 0, sum: values[boundCount + 1] ?? 0, exemplars: shown };
    },
  };
}

/** Of the buckets that are one now, the one to infinity last. */
function latestOf(
  exemplars: readonly (Exemplar | undefined)[],
  places: readonly number[],
): readonly (Exemplar | undefined)[] {
  return [...places, boundCount].map((place, i) => {
    const merged = exemplars.slice((places[i - 1] ?? -1) + 1, place + 1);
    return merged.reduce(
      (latest, each) => ((each?.timestampMs ?? 0) > (latest?.timestampMs ?? 0) ? each : latest),
      undefined,
    );
  });
}

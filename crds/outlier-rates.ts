/**
 * Which share of failures makes an endpoint an outlier: the annotation of a DestinationRule for what `outlierDetection` has
 * no fields for (semantics D6, B11). `off`, or settings in any order:
 *
 *   failure-percentage=45; failure-hosts=3; failure-volume=20; success-rate-stdev=1900; success-hosts=5; success-volume=100
 *
 * `failure-percentage`: an endpoint that fails so many of its requests in one interval is ejected, if at least
 * `failure-hosts` endpoints had `failure-volume` requests each. `success-rate-stdev`, in thousandths: an endpoint whose
 * success rate is below the mean of all by so many standard deviations is ejected; off unless it is given, because among
 * endpoints that hardly ever fail it finds outliers too. Both keep to `maxEjectionPercent`. Without the annotation the
 * values above are in force for failures, so that an endpoint that fails every other request does not stay.
 */
import { type Annotated, AnnotationSettings, splitAnnotation } from './annotation-settings.ts';

export const outlierRatesAnnotation = 'heddle.dev/outlier-rates';

export interface OutlierRates {
  readonly failure: RateRule & { readonly percent: number };
  /** Thousandths of a standard deviation. */
  readonly success: (RateRule & { readonly stdevFactor: number }) | undefined;
}

interface RateRule {
  readonly minimumHosts: number;
  readonly requestVolume: number;
}

/** Every other request, and one more that went well in an interval of 20. */
export const defaultOutlierRates: OutlierRates = {
  failure: { percent: 45, minimumHosts: 3, requestVolume: 20 },
  success: undefined,
};

/** Undefined: rates decide nothing. */
export function parseOutlierRates(text: string): Annotated<OutlierRates | undefined> {
  if (text.trim() === 'off') return { value: undefined };
  const settings = new AnnotationSettings(splitAnnotation(text));
  const { failure } = defaultOutlierRates;
  const count = (name: string, defaultValue: number): number =>
    settings.integer(name, { defaultValue, min: 1, max: 1_000_000 });
  const stdevFactor = settings.integer('success-rate-stdev', { defaultValue: 0, min: 1, max: 100_000 });
  const success = {
    stdevFactor,
    minimumHosts: count('success-hosts', 5),
    requestVolume: count('success-volume', 100),
  };
  const value = {
    failure: {
      percent: settings.integer('failure-percentage', { defaultValue: failure.percent, min: 1, max: 100 }),
      minimumHosts: count('failure-hosts', failure.minimumHosts),
      requestVolume: count('failure-volume', failure.requestVolume),
    },
    success: stdevFactor === 0 ? undefined : success,
  };
  return settings.fault === undefined ? { value } : { fault: settings.fault };
}

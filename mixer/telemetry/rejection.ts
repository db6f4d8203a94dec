/** Why a part of a report was not counted; the label `reason` of mixer's own counter. */
export type RejectionReason =
  /** Bytes that are no message of the service. */
  | 'encoding'
  /** The first message of a stream does not say which node sends it, or its id is not usable. */
  | 'identifier'
  /** The name is not one of Istio's metrics nor of the form `envoy_…`: a real Envoy's own dotted names, mostly. */
  | 'family_name'
  /** Not a counter or histogram, or not the type that Istio gives this name. */
  | 'type'
  /** A label name or value that Prometheus could not take, that repeats, or that is too long. */
  | 'labels'
  /** NaN, infinite, negative, too large, or buckets that are not cumulative. */
  | 'value'
  /** Bucket bounds other than Istio's. */
  | 'buckets'
  /** No start time, or one that cannot be. */
  | 'created_timestamp'
  /** Less than this instance reported before: a late or duplicate message, nothing is missing. */
  | 'decreased'
  /** The number of a series that its stream did not say in full, or that was refused then. */
  | 'reference'
  /** Of an access log: when its request began is not said, or cannot be. */
  | 'start_time'
  /** Of an access log: a cluster that is not named as Istio names them says nothing of where a request went. */
  | 'cluster'
  /** Of an access log: the request or connection goes on, its last entry will say it all. */
  | 'intermediate'
  /** More series or families than mixer holds. */
  | 'series_limit'
  /** More instances than mixer holds. */
  | 'instance_limit'
  /** Quota is asked for in a domain that is not Heddle's. */
  | 'quota_domain'
  /** A bucket or descriptor that says no limit. */
  | 'quota_bucket'
  /** A report of use that cannot be: of no time, of more than anybody serves, or no report at all. */
  | 'quota_report'
  /** More buckets of one instance, or more limits, than mixer holds. */
  | 'quota_limit';

export const rejectionReasons: readonly RejectionReason[] = [
  'encoding',
  'identifier',
  'family_name',
  'type',
  'labels',
  'value',
  'buckets',
  'created_timestamp',
  'decreased',
  'reference',
  'start_time',
  'cluster',
  'intermediate',
  'series_limit',
  'instance_limit',
  'quota_domain',
  'quota_bucket',
  'quota_report',
  'quota_limit',
];

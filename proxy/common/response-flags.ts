/** Every response flag of Envoy with its long name (Envoy docs, access_log/usage: RESPONSE_FLAGS and RESPONSE_FLAGS_LONG). */
export const responseFlagNames = {
  DC: 'DownstreamConnectionTermination',
  DF: 'DnsResolutionFailed',
  DI: 'DelayInjected',
  DO: 'DropOverload',
  DPE: 'DownstreamProtocolError',
  DR: 'DownstreamRemoteReset',
  DT: 'DurationTimeout',
  FI: 'FaultInjected',
  IH: 'InvalidEnvoyRequestHeaders',
  LH: 'FailedLocalHealthCheck',
  LR: 'LocalReset',
  NC: 'NoClusterFound',
  NFCF: 'NoFilterConfigFound',
  NR: 'NoRouteFound',
  OM: 'OverloadManagerTerminated',
  RFCF: 'ResponseFromCacheFilter',
  RL: 'RateLimited',
  RLSE: 'RateLimitServiceError',
  SI: 'StreamIdleTimeout',
  UAEX: 'UnauthorizedExternalService',
  UC: 'UpstreamConnectionTermination',
  UDO: 'UnconditionalDropOverload',
  UF: 'UpstreamConnectionFailure',
  UH: 'NoHealthyUpstream',
  UMSDR: 'UpstreamMaxStreamDurationReached',
  UO: 'UpstreamOverflow',
  UPE: 'UpstreamProtocolError',
  UR: 'UpstreamRemoteReset',
  URX: 'UpstreamRetryLimitExceeded',
  UT: 'UpstreamRequestTimeout',
} as const;

export type ResponseFlag = keyof typeof responseFlagNames;

export function isResponseFlag(flag: string): flag is ResponseFlag {
  return Object.hasOwn(responseFlagNames, flag);
}

/**
 * Active health checks: the annotation of a DestinationRule that has every sidecar ask the endpoints of the rule's host how
 * they are. First what is asked, `http:/PATH` or `tcp`, then settings in any order:
 *
 *   http:/healthz; interval=5s; timeout=1s; unhealthy=3; healthy=2; port=8081; status=200-299; method=GET; host=NAME
 *
 * `interval` 10s between checks · `timeout` 1s for each · `unhealthy` 3 failures in a row, of which a wrong status counts
 * as all, and `healthy` 1 success change a host's state · `port` that of requests: without it a check of a workload in the
 * mesh goes through the workload's sidecar, so `tcp` finds out about the sidecar and `http` about the application · `status`
 * 200, a status or a range of them, several with commas · `method` GET · `host` the name of the service.
 */
import { type Annotated, AnnotationSettings, splitAnnotation } from './annotation-settings.ts';

export const healthCheckAnnotation = 'heddle.dev/health-check';

export interface HealthCheckSettings {
  readonly probe: HttpProbeSettings | { readonly kind: 'tcp' };
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
  /** 0: that of requests. */
  readonly port: number;
}

export interface HttpProbeSettings {
  readonly kind: 'http';
  readonly path: string;
  readonly method: Method;
  /** Undefined: the name of the service. */
  readonly host: string | undefined;
  /** Both ends included. */
  readonly statuses: readonly { readonly from: number; readonly to: number }[];
}

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'] as const;
type Method = (typeof methods)[number];

export function parseHealthCheck(text: string): Annotated<HealthCheckSettings> {
  const [what = '', ...items] = splitAnnotation(text);
  const path = /^http:(\/[!-~]*)$/.exec(what)?.[1];
  if (path === undefined && what !== 'tcp') {
    return { fault: `must begin with http:/PATH or tcp, got ${JSON.stringify(what)}` };
  }
  const settings = new AnnotationSettings(items);
  const value = {
    probe: path === undefined ? { kind: 'tcp' as const } : readHttpProbe(settings, path),
    intervalMs: settings.durationMs('interval', 10_000),
    timeoutMs: settings.durationMs('timeout', 1_000),
    unhealthyThreshold: settings.integer('unhealthy', { defaultValue: 3, min: 1, max: 1_000 }),
    healthyThreshold: settings.integer('healthy', { defaultValue: 1, min: 1, max: 1_000 }),
    port: settings.integer('port', { defaultValue: 0, min: 1, max: 65_535 }),
  };
  return settings.fault === undefined ? { value } : { fault: settings.fault };
}

function readHttpProbe(settings: AnnotationSettings, path: string): HttpProbeSettings {
  const method = settings.text('method') ?? 'GET';
  const known = methods.find((candidate) => candidate === method);
  if (known === undefined) settings.refuse('method', `one of ${methods.join(', ')}`);
  const host = settings.text('host');
  if (host !== undefined && !/^[\w.:[\]-]+$/.test(host)) settings.refuse('host', 'a host');
  return { kind: 'http', path, method: known ?? 'GET', host, statuses: readStatuses(settings) };
}

function readStatuses(settings: AnnotationSettings): HttpProbeSettings['statuses'] {
  return (settings.text('status') ?? '200').split(',').map((range) => {
    const [, from = '', to = from] = /^\s*([1-5]\d\d)(?:-([1-5]\d\d))?\s*$/.exec(range) ?? [];
    if (from === '' || Number(from) > Number(to)) settings.refuse('status', 'a status such as 200, or a range 200-299');
    return { from: Number(from), to: Number(to) };
  });
}

/**
 * What is valid Istio but not yet in force in this version of the mesh. A field that would be ignored is an error, so that
 * nobody believes in a rule that does nothing.
 */
import type { FieldError } from '../proxy/common/decoded.ts';
import { childPath, show } from './findings.ts';
import { isIpAddress } from './names.ts';

/**
 * The supported part of a value: `true` for all of it, a record for an object with these fields only, a function for a
 * test of the value that returns the fault. Lists are looked through: the part describes each item.
 */
type Supported = true | { readonly [field: string]: Supported } | ((value: unknown, path: string) => FieldError[]);

const notYet = 'is not supported yet';

/** Only these values are in force. */
function only(...values: readonly unknown[]): Supported {
  return (value, path) => {
    if (values.includes(value)) return [];
    return [{ path, message: `${show(value)} ${notYet}, only ${values.map(show).join(', ')}` }];
  };
}

const literalAddress: Supported = (value, path) =>
  typeof value === 'string' && isIpAddress(value)
    ? []
    : [{ path, message: `${show(value)} ${notYet}, only an IP address` }];

const portNumber: Supported = (value, path) =>
  typeof value === 'number' ? [] : [{ path, message: `${show(value)} ${notYet}, only a port number` }];

const stringMatch: Supported = { exact: true, prefix: true, regex: true };

/** Istio ignores these names among headers; the pseudo headers of HTTP/2 have no place in HTTP/1.1. */
const headerMatches: Supported = (value, path) =>
  entriesOf(value).flatMap(([name, match]) => {
    const at = childPath(path, name);
    if (['uri', 'scheme', 'method', 'authority'].includes(name)) {
      return [{ path: at, message: `is not matched among headers: Istio ignores this name` }];
    }
    return name.startsWith(':') ? [{ path: at, message: notYet }] : unsupportedIn(match, stringMatch, at);
  });

const trafficPolicy: Supported = {
  loadBalancer: { simple: only('ROUND_ROBIN', 'LEAST_REQUEST', 'LEAST_CONN', 'RANDOM', 'UNSPECIFIED') },
  connectionPool: { tcp: { connectTimeout: true }, http: { idleTimeout: true } },
};

const workload: Supported = { address: literalAddress, ports: true, labels: true, weight: true };

const supported: Readonly<Record<string, Supported>> = {
  VirtualService: {
    hosts: true,
    gateways: only('mesh'),
    exportTo: only('*'),
    http: {
      name: true,
      match: {
        name: true,
        uri: stringMatch,
        ignoreUriCase: true,
        headers: headerMatches,
        withoutHeaders: headerMatches,
      },
      route: { destination: true, weight: true },
      timeout: true,
    },
  },
  DestinationRule: {
    host: true,
    exportTo: only('*'),
    trafficPolicy,
    subsets: { name: true, labels: true, trafficPolicy },
  },
  ServiceEntry: {
    hosts: true,
    exportTo: only('*'),
    ports: true,
    location: true,
    resolution: only('STATIC'),
    endpoints: workload,
    workloadSelector: true,
  },
  WorkloadEntry: workload,
  Service: {
    ports: { port: true, name: true, protocol: only('TCP'), appProtocol: true, targetPort: portNumber },
    selector: true,
    type: only('ClusterIP'),
    clusterIP: true,
    clusterIPs: true,
    // What a cluster fills in by itself: the defaults change nothing.
    internalTrafficPolicy: only('Cluster'),
    sessionAffinity: only('None'),
    ipFamilies: only('IPv4'),
    ipFamilyPolicy: only('SingleStack'),
  },
};

/** Every field of `spec` that would be ignored. `spec` has passed the kind's own validation. */
export function unsupportedFields(kind: string, spec: unknown): FieldError[] {
  const part = supported[kind];
  if (part === undefined) return [{ path: 'kind', message: `${show(kind)} ${notYet}` }];
  return [...unsupportedIn(spec, part, 'spec'), ...unsupportedDefaults(kind, spec)];
}

function unsupportedIn(value: unknown, part: Supported, path: string): FieldError[] {
  if (part === true) return [];
  if (Array.isArray(value)) return value.flatMap((item, index) => unsupportedIn(item, part, `${path}[${index}]`));
  if (typeof part === 'function') return part(value, path);
  return entriesOf(value).flatMap(([field, child]) => {
    const at = childPath(path, field);
    const childPart = Object.hasOwn(part, field) ? part[field] : undefined;
    if (childPart !== undefined) return unsupportedIn(child, childPart, at);
    // Protobuf does not tell an empty list or text from none.
    const isAbsent = child === '' || (Array.isArray(child) && child.length === 0);
    return isAbsent ? [] : [{ path: at, message: notYet }];
  });
}

/** Fields whose absence has a meaning that is not in force. */
function unsupportedDefaults(kind: string, spec: unknown): FieldError[] {
  const fields = new Map(entriesOf(spec));
  const hosts = fields.get('hosts');
  if (kind === 'VirtualService' && (!Array.isArray(hosts) || hosts.length === 0)) {
    return [{ path: 'spec.hosts', message: `is required: a delegate, which has no hosts, ${notYet}` }];
  }
  if (kind === 'ServiceEntry' && !fields.has('resolution')) {
    return [{ path: 'spec.resolution', message: `is required: the default NONE ${notYet}, only STATIC` }];
  }
  if (kind === 'WorkloadEntry' && !fields.has('address')) {
    return [{ path: 'spec.address', message: `is required: a workload behind a network's gateway ${notYet}` }];
  }
  return [];
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

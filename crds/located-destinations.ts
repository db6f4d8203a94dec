/** All destinations of a VirtualService, each with its path. */
import type { Destination, VirtualServiceSpec } from './virtual-service.ts';

export interface LocatedDestination {
  readonly path: string;
  readonly destination: Destination;
}

/** Of all routes, in the order of HTTP, TLS and TCP. */
export function destinationsOf(spec: VirtualServiceSpec): LocatedDestination[] {
  const l4 = (['tls', 'tcp'] as const).flatMap((kind) =>
    (spec[kind] ?? []).flatMap(({ route = [] }, index) =>
      route.map(({ destination }, nth) => ({ path: `spec.${kind}[${index}].route[${nth}].destination`, destination })),
    ),
  );
  const http = (spec.http ?? []).flatMap(({ route = [], mirror, mirrors = [] }, index) => {
    const path = `spec.http[${index}]`;
    return [
      ...route.map(({ destination }, nth) => ({ path: `${path}.route[${nth}].destination`, destination })),
      ...(mirror === undefined ? [] : [{ path: `${path}.mirror`, destination: mirror }]),
      ...mirrors.map(({ destination }, nth) => ({ path: `${path}.mirrors[${nth}].destination`, destination })),
    ];
  });
  return [...http, ...l4];
}

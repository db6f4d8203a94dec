/** Whether and how the connections of a sidecar's application are intercepted. */

/** Istio's words. */
export const interceptionModes = ['NONE', 'REDIRECT', 'TPROXY'] as const;

/**
 * How connections of the application come to its sidecar: `NONE`: they are addressed to it. `REDIRECT` and `TPROXY`: the
 * host's firewall diverts them, and they keep their original destination; with TPROXY also their source.
 */
export type InterceptionMode = (typeof interceptionModes)[number];

export interface Interception {
  /** INTERCEPTION_MODE, default `NONE`. */
  readonly interceptionMode?: InterceptionMode | undefined;
  /**
   * APP_PORTS, where connections are intercepted: all ports of the application, in order. Undefined: the target ports of
   * the services that it is an instance of.
   */
  readonly appPorts?: readonly number[] | undefined;
}

/** Where the firewall delivers connections, unless a sidecar names other ports; Istio's. */
export const interceptionPorts = { outbound: 15_001, inbound: 15_006 } as const;

export function isIntercepted({ interceptionMode = 'NONE' }: Interception): boolean {
  return interceptionMode !== 'NONE';
}

/** Of a node's metadata; nothing where connections are not intercepted. */
export function encodeInterception(interception: Interception): Record<string, unknown> {
  const { interceptionMode, appPorts } = interception;
  if (!isIntercepted(interception)) return {};
  return { INTERCEPTION_MODE: interceptionMode, ...(appPorts === undefined ? {} : { APP_PORTS: [...appPorts] }) };
}

/** Whether a sidecar answers the DNS questions of its application. */

/** Where it does, unless it names another port; Istio's. */
export const defaultDnsPort = 15_053;

export interface DnsCapture {
  /**
   * DNS_CAPTURE and DNS_PORT (default 15053): the loopback port on which the sidecar answers names of the mesh and forwards
   * all others. Undefined: it does not.
   */
  readonly dnsPort?: number | undefined;
}

/** Of a node's metadata; nothing where DNS is left alone. */
export function encodeDnsCapture({ dnsPort }: DnsCapture): Record<string, unknown> {
  return dnsPort === undefined ? {} : { DNS_CAPTURE: true, DNS_PORT: dnsPort };
}

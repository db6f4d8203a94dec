/** How rules name gateways. */

/** The reserved name of all sidecars. */
export const meshGateway = 'mesh';

/**
 * `NAMESPACE/NAME`, or `mesh`. A name alone is of the namespace of the rule that says it; the old form
 * `NAME.NAMESPACE.svc…` is read too.
 */
export function resolveGatewayName(name: string, namespace: string): string {
  if (name === meshGateway || name.includes('/')) return name;
  const [first = '', second = namespace] = name.split('.');
  return `${second}/${first}`;
}

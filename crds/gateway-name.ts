/** How rules name gateways. */

/** The reserved name of all sidecars. */
export const meshGateway = 'mesh';

/**
 * `NAMESPACE/NAME`, or `mesh`. A name alone, or with `.` for a namespace, is of the namespace of the rule that says it; the
 * old form `NAME.NAMESPACE.svc…` is read too.
 */
export function resolveGatewayName(name: string, namespace: string): string {
  if (name === meshGateway) return name;
  const slash = name.indexOf('/');
  if (slash >= 0) return name.startsWith('./') ? `${namespace}${name.slice(slash)}` : name;
  const [first = '', second = namespace] = name.split('.');
  return `${second}/${first}`;
}

/**
 * The certificates that Gateways name by `credentialName` and `credentialNames`. A gateway gets those of its own namespace, under Istio's names:
 * `kubernetes://NAME`, and `kubernetes://NAME-cacert` for the authorities that clients' certificates are checked against.
 */
import { credentialNamesOf, isPassthrough, type ServerTlsSettings } from '../../crds/gateway.ts';

/** A secret as Kubernetes' type kubernetes.io/tls has it, all of it text in PEM. */
export interface Credential {
  readonly namespace: string;
  readonly name: string;
  /** `tls.crt` and `tls.key`, which belong together. */
  readonly certificate?: { readonly chain: string; readonly key: string } | undefined;
  /** `ca.crt`. */
  readonly trustedCa?: string | undefined;
}

const scheme = 'kubernetes://';
const authoritySuffix = '-cacert';

export function certificateSecretName(credentialName: string): string {
  return `${scheme}${credentialName}`;
}

export function authoritySecretName(credentialName: string): string {
  return `${scheme}${credentialName}${authoritySuffix}`;
}

export class Credentials {
  readonly #all: ReadonlyMap<string, Credential>;

  constructor(all: readonly Credential[] = []) {
    this.#all = new Map(all.map((credential) => [`${credential.namespace}/${credential.name}`, credential]));
  }

  certificateOf(namespace: string, name: string): Credential['certificate'] {
    return this.#all.get(`${namespace}/${name}`)?.certificate;
  }

  /** A secret of its own counts more than what stands beside the certificate (Istio's rule). */
  authorityOf(namespace: string, name: string): string | undefined {
    const own = this.#all.get(`${namespace}/${name}${authoritySuffix}`);
    return (own ?? this.#all.get(`${namespace}/${name}`))?.trustedCa;
  }

  /** What a server would need and does not have, as one sentence; undefined when it has all. */
  faultOf(tls: ServerTlsSettings, namespace: string): string | undefined {
    const { mode } = tls;
    const names = credentialNamesOf(tls);
    const [credentialName] = names;
    if (credentialName === undefined || isPassthrough(tls)) return undefined;
    const missing = names.find((name) => this.certificateOf(namespace, name) === undefined);
    if (missing !== undefined) return `secret ${namespace}/${missing} has no tls.crt with its tls.key`;
    const secret = `secret ${namespace}/${credentialName}`;
    const needsAuthority = mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL';
    if (!needsAuthority || this.authorityOf(namespace, credentialName) !== undefined) return undefined;
    return `neither ${secret} nor ${credentialName}${authoritySuffix} has a ca.crt`;
  }
}

export const noCredentials = new Credentials();

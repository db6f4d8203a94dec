/**
 * `x-forwarded-client-cert`: who the client of a proxy was, by the certificate that it has shown (Envoy docs
 * `http_conn_man/headers`). Made where something is done about it.
 */
import type { X509Certificate } from 'node:crypto';
import type { ClientCertConfig } from '../api/listener.ts';
import { subjectAltNamesOf, type SubjectAltName } from '../tls/peer-names.ts';
import { clientCertificateName } from './forwarded-headers.ts';
import { Known } from './header-name.ts';
import type { HttpStream } from './stream.ts';

/** The two ends of a connection whose client has shown a certificate. */
export interface TlsPeer {
  readonly certificate: X509Certificate;
  readonly localCertificate: X509Certificate | undefined;
}

/** Undefined where everything is passed on as it comes. */
export function createForwardedClientCert(config: ClientCertConfig): ForwardedClientCert | undefined {
  return config.mode === 'ALWAYS_FORWARD_ONLY' ? undefined : new ForwardedClientCert(config);
}

export class ForwardedClientCert {
  readonly #config: ClientCertConfig;

  constructor(config: ClientCertConfig) {
    this.#config = config;
  }

  /** One element of the header, the same for all requests of a connection; fields come in Envoy's order. */
  describe({ certificate, localCertificate }: TlsPeer): string {
    if (this.#config.mode === 'SANITIZE' || this.#config.mode === 'FORWARD_ONLY') return '';
    const { cert, subject, uri, dns } = this.#config.tells;
    const names = subjectAltNamesOf(certificate);
    const uris = namesOf(names, 'URI');
    const own = localCertificate === undefined ? [] : namesOf(subjectAltNamesOf(localCertificate), 'URI');
    return [
      ...own.map((name) => `By=${name}`),
      `Hash=${certificate.fingerprint256.replaceAll(':', '').toLowerCase()}`,
      ...(cert ? [`Cert="${encodePem(certificate.toString())}"`] : []),
      ...(subject ? [`Subject="${formatSubject(certificate.subject)}"`] : []),
      // These two stand there without a value too, as in Envoy, so that their readers find them.
      ...(uri ? (uris.length === 0 ? ['URI='] : uris.map((name) => `URI=${name}`)) : []),
      ...(dns ? namesOf(names, 'DNS').map((name) => `DNS=${name}`) : []),
    ].join(';');
  }

  establish({ request: { headers }, codec }: HttpStream): void {
    const { mode } = this.#config;
    const own = codec?.clientCert;
    if (own !== undefined && mode === 'FORWARD_ONLY') return;
    const said = mode === 'APPEND_FORWARD' ? headers.knownValues(Known.clientCert) : undefined;
    if (headers.hasKnown(Known.clientCert)) headers.removeKnown(Known.clientCert);
    if (own === undefined || mode === 'SANITIZE') return;
    headers.add(clientCertificateName, said === undefined ? own : `${said},${own}`);
  }
}

/** Without those that would end the header's line, or an element of it, and begin another in the client's name. */
function namesOf(names: readonly SubjectAltName[], wanted: SubjectAltName['type']): string[] {
  return names.filter(({ type, value }) => type === wanted && /^[!#-+\--:<-~]+$/.test(value)).map(({ value }) => value);
}

/** As Envoy does it: of all of PEM's characters only these mean something in an address. */
function encodePem(pem: string): string {
  return encodeURIComponent(pem.endsWith('\n') ? pem : `${pem}\n`);
}

/** RFC 2253: the last relative name first. Node has one a line, with the escapes of that RFC but for what is not ASCII. */
function formatSubject(subject: string | undefined): string {
  const names = (subject ?? '').split('\n').filter((name) => name !== '');
  return names
    .reverse()
    .map((name) => name.replaceAll(' + ', '+'))
    .join(',')
    .replaceAll(/[^ -~]/gu, (character) =>
      [...Buffer.from(character)].map((byte) => `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
    );
}

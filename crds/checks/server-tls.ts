/** `tls` of a Gateway's server. Source of the rules: istio/istio pkg/config/validation. */
import { type Findings, show } from '../findings.ts';
import { isPassthrough, type ServerTlsSettings } from '../gateway.ts';

export function checkServerTls(tls: ServerTlsSettings, path: string, findings: Findings): void {
  checkParameters(tls, path, findings);
  const given = certificateFields.filter((field) => (tls[field]?.length ?? 0) > 0);
  if (tls.mode === 'ISTIO_MUTUAL') {
    for (const field of given) {
      if (field !== 'caCrl') findings.error(`${path}.${field}`, 'must not be given: ISTIO_MUTUAL has its own');
    }
    return;
  }
  if (isPassthrough(tls)) {
    for (const field of given) findings.warn(`${path}.${field}`, `has no effect: TLS is passed through`);
  }
  checkSources(tls, path, findings);
  const isTerminated = !isPassthrough(tls);
  const hasCredential = Boolean(tls.credentialName) || (tls.credentialNames?.length ?? 0) > 0;
  if (isTerminated && hasCredential) return;
  if (isTerminated) checkCertificates(tls, path, findings);
  if (tls.caCrl && tls.mode === 'SIMPLE')
    findings.error(`${path}.caCrl`, 'must not be given: SIMPLE asks for no client certificates');
  if (tls.caCrl && tls.credentialName) findings.error(`${path}.caCrl`, 'must not stand beside credentialName');
}

const certificateFields = [
  'caCrl',
  'serverCertificate',
  'privateKey',
  'caCertificates',
  'tlsCertificates',
  'credentialName',
  'credentialNames',
] as const;

function checkParameters(tls: ServerTlsSettings, path: string, findings: Findings): void {
  const { minProtocolVersion, cipherSuites = [] } = tls;
  const isOld = minProtocolVersion === 'TLSV1_0' || minProtocolVersion === 'TLSV1_1';
  if (isOld && cipherSuites.length === 0) {
    findings.warn(`${path}.minProtocolVersion`, 'needs cipherSuites: none of the default ones is as old');
  }
  for (const [index, name] of cipherSuites.entries()) {
    const at = `${path}.cipherSuites[${index}]`;
    if (!isCipherSuite(name)) findings.warn(at, `is not a known cipher suite and left out: ${show(name)}`);
    else if (cipherSuites.indexOf(name) < index) findings.warn(at, `repeats ${show(name)}`);
  }
}

/** BoringSSL's names; what begins with an operator is an expression about several of them. */
export function isCipherSuite(name: string): boolean {
  return name === '' || name === 'ALL' || !/^[\p{L}\p{N}]/u.test(name) || cipherSuiteNames.has(name);
}

const cipherSuiteNames: ReadonlySet<string> = new Set([
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
  'DES-CBC3-SHA',
]);

function checkSources(tls: ServerTlsSettings, path: string, findings: Findings): void {
  const sources = [
    tls.serverCertificate && tls.privateKey ? 'serverCertificate' : '',
    tls.credentialName ? 'credentialName' : '',
    tls.credentialNames?.length ? 'credentialNames' : '',
    tls.tlsCertificates?.length ? 'tlsCertificates' : '',
  ].filter((source) => source !== '');
  if (sources.length > 1) findings.error(path, `must have one source of certificates, got ${sources.join(' and ')}`);
}

function checkCertificates(tls: ServerTlsSettings, path: string, findings: Findings): void {
  if (tls.mode !== 'SIMPLE' && !tls.caCertificates) {
    findings.error(`${path}.caCertificates`, `is required when mode is ${tls.mode}`);
  }
  const { tlsCertificates = [] } = tls;
  if (tlsCertificates.length > 2) findings.warn(`${path}.tlsCertificates`, 'are two at most: others have no effect');
  const certificates = tlsCertificates.length > 0 ? tlsCertificates : [tls];
  for (const [index, certificate] of certificates.entries()) {
    const at = certificate === tls ? path : `${path}.tlsCertificates[${index}]`;
    for (const field of ['serverCertificate', 'privateKey'] as const) {
      if (!certificate[field]) findings.error(`${at}.${field}`, `is required when mode is ${tls.mode}`);
    }
  }
}

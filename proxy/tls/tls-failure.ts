/** Why handshakes fail, in Envoy's words: `TLS_error:|268435581:SSL_routines:OPENSSL_internal:…:TLS_error_end`. */
import { TransportFailure } from '../common/errors.ts';

/** What was wrong with the peer's certificate: how Envoy's statistics count it, what Envoy says, what people read. */
export interface VerificationFault {
  readonly kind: 'no_cert' | 'error' | 'san' | 'cert_hash';
  readonly detail: string;
  readonly message: string;
}

/** BoringSSL's numbers of reasons, of those that are none of alerts. */
const reasonNumbers: Readonly<Record<string, number>> = {
  CERTIFICATE_VERIFY_FAILED: 268_435_581,
  PEER_DID_NOT_RETURN_A_CERTIFICATE: 268_435_648,
  WRONG_VERSION_NUMBER: 268_435_703,
};

export function verificationFailure({ kind, detail, message }: VerificationFault): TransportFailure {
  if (kind === 'no_cert') return new TransportFailure(message, reasonOf('PEER_DID_NOT_RETURN_A_CERTIFICATE'));
  return new TransportFailure(message, reasonOf('CERTIFICATE_VERIFY_FAILED', `verify_cert_failed: ${detail}`));
}

/** No certificate or authority is at hand yet: not a byte is sent. */
export function secretsNotReady(detail: string): TransportFailure {
  return new TransportFailure(detail, 'TLS_error:_Secret_is_not_supplied_by_SDS');
}

export function handshakeTimeout(timeoutMs: number): TransportFailure {
  return new TransportFailure(`the handshake was not over within ${timeoutMs} ms`, 'TLS_error:_handshake_timeout');
}

export function notTls(kind: string): TransportFailure {
  return new TransportFailure(`the first bytes are no ClientHello: ${kind}`, reasonOf('WRONG_VERSION_NUMBER'));
}

/** OpenSSL's errors have a library and a reason, those of the system neither: they stay what they are. */
export function handshakeFailure(error: Error): Error {
  const { library, reason } = error as Error & { library?: string; reason?: string };
  if (library === undefined || reason === undefined) return error;
  return new TransportFailure(
    `the handshake failed: ${reason}`,
    reasonOf(reason.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_'), undefined, alertNumberOf(error.message)),
    error,
  );
}

function reasonOf(reason: string, detail?: string, number = reasonNumbers[reason]): string {
  const parts = [
    'TLS_error:|',
    ...(number === undefined ? [] : [`${number}:`]),
    `SSL_routines:OPENSSL_internal:${reason}:`,
    ...(detail === undefined ? [] : [`${detail}:`]),
    'TLS_error_end',
  ];
  return parts.join('').replaceAll(/\s/g, '_');
}

/** Reasons from 1000 on are alerts of the peer, and the same in OpenSSL and BoringSSL. */
function alertNumberOf(message: string): number | undefined {
  const [, hex] = /:error:([0-9A-F]{8}):/.exec(message) ?? [];
  const reason = Number.parseInt(hex ?? '0', 16) & 0x7fffff;
  return reason >= 1_000 ? 0x10000000 + reason : undefined;
}

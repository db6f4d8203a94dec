/** What of a `tls` is valid Istio and would not do what it says: fields that have no part in their mode. */
import type { FieldError } from '../proxy/common/decoded.ts';
import type { ClientTLSSettings } from './traffic-policy.ts';

/** `settings` have passed the schema. */
export function clientTlsFaults(settings: ClientTLSSettings, path: string): FieldError[] {
  const { mode = 'DISABLE', sni = '', insecureSkipVerify = false } = settings;
  const isVerified = mode !== 'DISABLE' && !insecureSkipVerify;
  const effects: Readonly<Partial<Record<keyof ClientTLSSettings, boolean>>> = {
    clientCertificate: mode === 'MUTUAL',
    privateKey: mode === 'MUTUAL',
    caCertificates: isVerified,
    subjectAltNames: isVerified,
    caCrl: isVerified,
    sni: mode !== 'DISABLE',
    insecureSkipVerify: mode !== 'DISABLE',
  };
  const faults = Object.entries(effects).flatMap(([field, hasEffect]): FieldError[] => {
    if (hasEffect || isAbsent(settings[field as keyof ClientTLSSettings])) return [];
    const reason = mode !== 'DISABLE' && insecureSkipVerify ? 'when insecureSkipVerify is true' : `with mode ${mode}`;
    return [{ path: `${path}.${field}`, message: `has no effect ${reason}` }];
  });
  // RFC 6066 §3, and the limit of Envoy.
  if (Buffer.byteLength(sni) > 255) faults.push({ path: `${path}.sni`, message: 'must have at most 255 bytes' });
  return faults;
}

/** Protobuf does not tell these from none. */
function isAbsent(value: unknown): boolean {
  return value === undefined || value === '' || value === false || (Array.isArray(value) && value.length === 0);
}

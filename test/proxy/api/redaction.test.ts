import { expect, it } from 'vitest';
import { redactSecrets } from '../../../proxy/api/redaction.ts';

it('hides keys and passwords, and nothing else, in the form of the wire and in ours', () => {
  const statuses = new Set([503]);
  const dump = {
    clusters: [{ privateKey: { kind: 'inline', text: 'key' }, certificateChain: { kind: 'inline', text: 'chain' } }],
    tls_certificates: [
      { private_key: { inline_string: 'key' }, password: { inline_bytes: 'a2V5' } },
      { private_key: { filename: '/etc/key.pem' }, certificate_chain: { inline_string: 'chain' } },
    ],
    statuses,
    none: null,
  };
  expect(redactSecrets(dump)).toEqual({
    clusters: [
      { privateKey: { kind: 'inline', text: '[redacted]' }, certificateChain: { kind: 'inline', text: 'chain' } },
    ],
    tls_certificates: [
      { private_key: { inline_string: '[redacted]' }, password: { inline_bytes: '[redacted]' } },
      { private_key: { filename: '/etc/key.pem' }, certificate_chain: { inline_string: 'chain' } },
    ],
    statuses,
    none: null,
  });
});

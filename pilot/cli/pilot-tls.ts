/** How proxies speak to a pilot that wants certificates. */
import { isIP } from 'node:net';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { Option } from 'commander';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { TransportSocket } from '../../proxy/api/envoy.gen.ts';
import { buildNameMatcher } from '../networking/upstream-tls.ts';
import { tlsFiles } from '../xds/xds-tls.ts';
import { CommandError } from './exit-code.ts';
import { readTextFile } from './text-file.ts';

export function pilotTlsOption(): Option {
  return new Option(
    '--pilot-tls-dir <dir>',
    `speak TLS with pilot: ${Object.values(tlsFiles).join(', ')}, the last to verify pilot by; read again as they change`,
  );
}

/** Rejects with one sentence when the folder has not what it takes: better now than at every attempt to connect. */
export async function checkPilotTls(folder: string): Promise<void> {
  const read = (name: string): Promise<string> => readTextFile(join(folder, name));
  const cert = await read(tlsFiles.certificate);
  const [key, ca] = [await read(tlsFiles.key), await read(tlsFiles.authority)];
  try {
    createSecureContext({ cert, key, ca });
  } catch (error) {
    throw new CommandError(`--pilot-tls-dir ${folder}: ${(error as Error).message}`);
  }
}

/** `host`: of pilot, as it is called; its certificate must be for that name or address. */
export function buildPilotTransportSocket(folder: string, host: string): TransportSocket {
  const file = (name: string) => ({ filename: join(folder, name) });
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': typeUrlOf('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
      common_tls_context: {
        // Servers of gRPC close connections that do not ask for it.
        alpn_protocols: ['h2'],
        tls_params: { tls_minimum_protocol_version: 'TLSv1_2', tls_maximum_protocol_version: 'TLSv1_3' },
        tls_certificates: [{ certificate_chain: file(tlsFiles.certificate), private_key: file(tlsFiles.key) }],
        validation_context: {
          trusted_ca: file(tlsFiles.authority),
          match_typed_subject_alt_names: [buildNameMatcher(host)],
        },
      },
      // An address is no server name (RFC 6066 section 3).
      ...(isIP(host) === 0 ? { sni: host } : {}),
    },
  };
}

import { execFile } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { requireExecutable } from '../../../bench/executable.ts';
import { tcpBootstrap, tcpPeer } from '../../../bench/tcp/peers.ts';
import { certificateIn } from '../../../bench/tls/certificate.ts';
import { byName, terminatingBootstrap } from '../../../bench/tls/peers.ts';
import { readBootstrap } from '../../../proxy/bootstrap.ts';
import { requirePeers } from '../../support/peers.ts';
import { temporaryFolder } from '../../support/pki.ts';

const scene = { port: 1, backend: { ports: [2, 3] } } as const;

const bootstraps = {
  'that ends TLS': (folder: string) => terminatingBootstrap(scene, certificateIn(folder)),
  'that passes TLS on by name': () => tcpBootstrap(scene, byName),
};

describe.each(Object.entries(bootstraps))('the bootstrap %s', (_, bootstrap) => {
  test('is one that Heddle takes', () => {
    expect(readBootstrap(bootstrap(temporaryFolder()), 'bench').errors).toBeUndefined();
  });

  test('is one that Envoy takes', async (context) => {
    requirePeers(context, 'envoy');
    const folder = temporaryFolder();
    const file = join(folder, 'envoy.yaml');
    writeFileSync(file, bootstrap(folder));
    const run = promisify(execFile)(requireExecutable('envoy', 'envoy'), ['--mode', 'validate', '-c', file]);
    expect((await run).stdout).toContain('OK');
  });
});

describe('the certificate', () => {
  test('is one on P-256 for the name that the load asks for, and the same for all turns of a run', () => {
    const folder = temporaryFolder();
    const certificate = certificateIn(folder);
    const { publicKey, subjectAltName } = new X509Certificate(certificate.text);
    expect(publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
    expect(subjectAltName).toBe('DNS:localhost');
    expect(certificateIn(folder).text).toBe(certificate.text);
    expect(statSync(certificate.bundleFile).mode & 0o077).toBe(0);
  });
});

test('a proxy of raw TCP that does not exist is named', () => {
  expect(tcpPeer('haproxy').name).toBe('haproxy');
  expect(() => tcpPeer('squid')).toThrow('no proxy of raw TCP is called squid');
});

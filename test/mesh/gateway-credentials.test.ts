/** Gateways whose certificates come from a folder of secrets, as real processes. */
import { X509Certificate } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { expect, test } from 'vitest';
import { closeAfterTest } from '../support/closing.ts';
import { unusedPorts } from '../support/unused-port.ts';
import { compiled, eventually, Mesh } from '../support/mesh.ts';
import { Authority, type Certificate } from '../support/pki.ts';

/** The serial number of the certificate that is shown; rejects when there is none. */
function serialAt(port: number, servername: string, ca: string, sigalgs?: string): Promise<string> {
  const chosen = sigalgs === undefined ? {} : { sigalgs };
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername, ca, ...chosen }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

test('a credentialName is served once its secret is there, and exchanged without a restart; others are not disturbed', async () => {
  const mesh = closeAfterTest(await Mesh.create());
  const authority = closeAfterTest(new Authority());
  const [port = 0] = await unusedPorts(1);
  const secrets = join(mesh.dir, 'secrets');
  const write = (name: string, { cert, key }: Certificate): void => {
    mkdirSync(join(secrets, 'default', name), { recursive: true });
    writeFileSync(join(secrets, 'default', name, 'tls.key'), key);
    writeFileSync(join(secrets, 'default', name, 'tls.crt'), cert);
  };
  const issue = (): Certificate => authority.issue({ names: ['DNS:*.example.com'] });
  write('shop', issue());
  const up = await mesh.startControlPlane('--secrets-dir', secrets);
  await mesh.apply(rules(port));
  const flags = ['--name', 'edge', '--label', 'gateway=edge', '--pilot', `127.0.0.1:${mesh.ports.xds}`];
  const gateway = mesh.start('heddle gateway', [compiled('pilot/cli/main.js'), 'gateway', ...flags]);
  await gateway.waitForLine(/^heddle: gateway edge is ready: /);
  const serial = (name: string): Promise<string> => serialAt(port, `${name}.example.com`, authority.cert);

  const first = await eventually(() => serial('shop').catch(() => undefined));
  await expect(serial('later')).rejects.toThrow();
  expect(up.output).toContain('secret default/later has no tls.crt with its tls.key');

  write('later', issue());
  await eventually(() => serial('later').catch(() => undefined));
  expect(await serial('shop')).toBe(first);

  write('shop', issue());
  await eventually(async () => ((await serial('shop')) === first ? undefined : true));
}, 60_000);

test('a server with certificates of two kinds of key shows each client the one that it knows', async () => {
  const mesh = closeAfterTest(await Mesh.create());
  const authority = closeAfterTest(new Authority());
  const [port = 0] = await unusedPorts(1);
  const write = (name: string, { cert, key }: Certificate): void => {
    mkdirSync(join(mesh.dir, 'secrets/default', name), { recursive: true });
    writeFileSync(join(mesh.dir, 'secrets/default', name, 'tls.key'), key);
    writeFileSync(join(mesh.dir, 'secrets/default', name, 'tls.crt'), cert);
  };
  const [ec, rsa] = (['ec', 'rsa'] as const).map((keyType) =>
    authority.issue({ names: ['DNS:shop.example.com'], keyType }),
  );
  if (ec === undefined || rsa === undefined) throw new Error('no certificates');
  write('shop', ec);
  write('shop-rsa', rsa);
  await mesh.startControlPlane('--secrets-dir', join(mesh.dir, 'secrets'));
  await mesh.apply(rules(port, ['shop'], () => 'credentialNames: [shop, shop-rsa]'));
  const flags = ['--name', 'edge', '--label', 'gateway=edge', '--pilot', `127.0.0.1:${mesh.ports.xds}`];
  const gateway = mesh.start('heddle gateway', [compiled('pilot/cli/main.js'), 'gateway', ...flags]);
  await gateway.waitForLine(/^heddle: gateway edge is ready: /);
  const shownTo = (sigalgs: string): Promise<string> => serialAt(port, 'shop.example.com', authority.cert, sigalgs);
  const serialOf = ({ cert }: Certificate): string => new X509Certificate(cert).serialNumber;
  await eventually(() => shownTo('ecdsa_secp256r1_sha256').catch(() => undefined));
  expect(await shownTo('ecdsa_secp256r1_sha256')).toBe(serialOf(ec));
  // The authority's own signature is of the other kind, and is verified too.
  expect(await shownTo('rsa_pss_rsae_sha256:rsa_pkcs1_sha256')).toBe(serialOf(rsa));
}, 60_000);

const byName = (name: string): string => `credentialName: ${name}`;

function rules(port: number, names: readonly string[] = ['shop', 'later'], source = byName): string {
  const server = (name: string): string =>
    `{ port: { number: ${port}, name: ${name}, protocol: HTTPS }, hosts: [${name}.example.com], tls: { mode: SIMPLE, ${source(name)} } }`;
  return `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: front }
spec: { selector: { gateway: edge }, servers: [${names.map(server).join(', ')}] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: all }
spec: { hosts: ["*.example.com"], gateways: [front], http: [{ directResponse: { status: 204 } }] }
`;
}

import { describe, expect, test } from 'vitest';
import { decodeListener } from '../../../proxy/api/listener-decoder.ts';
import { decodeSecret } from '../../../proxy/api/secret-decoder.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { type Credential, Credentials } from '../../../pilot/model/credentials.ts';
import { discover, type Discovered } from '../../../pilot/registry/service-discovery.ts';
import { createGenerators, withoutSecrets } from '../../../pilot/xds/generators.ts';
import type { CredentialFault } from '../../../pilot/xds/gateway-sets.ts';
import { ResourceEncoder } from '../../../pilot/xds/resource-encoder.ts';
import { chainsOf, listenerOf, resourcesOfNode, secretsOfNode, tcpProxyOf } from './interception.ts';
import { metadataOf, resourcesOf, serviceYaml } from './scenario.ts';

const edge = metadataOf({ type: 'router', service: '', labels: { gateway: 'edge' }, appPort: 0, inboundPort: 0 });
const server = (name: string, tls: string): string =>
  `{ port: { number: 443, name: ${name}, protocol: HTTPS }, hosts: [${name}.example.com], tls: { ${tls} } }`;

const yaml = `${serviceYaml('web', { ports: '[{ name: http, port: 80 }]' })}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: front }
spec:
  selector: { gateway: edge }
  servers:
  - ${server('shop', 'mode: SIMPLE, credentialName: shop')}
  - ${server('admin', 'mode: MUTUAL, credentialName: admin, subjectAltNames: ["spiffe://a"]')}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web }
spec: { hosts: ["*"], gateways: [front], http: [{ route: [{ destination: { host: web } }] }] }
`;

const names = ['kubernetes://shop', 'kubernetes://admin', 'kubernetes://admin-cacert', 'kubernetes://other'];
const shop: Credential = { namespace: 'default', name: 'shop', certificate: { chain: 'C', key: 'K' } };
const admin: Credential = { ...shop, name: 'admin', trustedCa: 'beside' };

function pushOf(...all: readonly Credential[]): Discovered {
  return discover({ revision: 1, resources: resourcesOf(yaml), workloads: [], credentials: new Credentials(all) });
}

/** Where the chain of a name leads: to its routes, with or without TLS, or to an end. */
function chainOf(name: string, push: Discovered) {
  const listener = listenerOf(resourcesOfNode(edge, push), '0.0.0.0_443');
  requireValue(decodeListener(listener), 'the listener');
  const found = chainsOf(listener).find((chain) => chain.filter_chain_match?.server_names?.includes(name));
  return found === undefined ? undefined : { found, refuses: tcpProxyOf(found)?.cluster === 'BlackHoleCluster' };
}

describe('a server with a credentialName', () => {
  test('is served with what SDS has under the name of the secret, and of its authority', () => {
    const push = pushOf(shop, admin);
    expect(chainOf('shop.example.com', push)?.found.transport_socket?.typed_config).toMatchObject({
      common_tls_context: { tls_certificate_sds_secret_configs: [{ name: 'kubernetes://shop' }] },
    });
    expect(chainOf('admin.example.com', push)?.found.transport_socket?.typed_config).toMatchObject({
      common_tls_context: {
        combined_validation_context: {
          default_validation_context: { match_typed_subject_alt_names: expect.any(Array) },
          validation_context_sds_secret_config: { name: 'kubernetes://admin-cacert' },
        },
      },
      require_client_certificate: true,
    });
    const secrets = secretsOfNode(edge, push, names);
    expect(secrets.map(({ name }) => name)).toEqual(names.slice(0, 3));
    for (const secret of secrets) requireValue(decodeSecret(secret), 'the secret');
  });

  test('takes the authority of a secret of its own before the one beside the certificate', () => {
    const own = { namespace: 'default', name: 'admin-cacert', trustedCa: 'own' };
    const authorityOf = (push: Discovered) => secretsOfNode(edge, push, names.slice(2, 3))[0]?.validation_context;
    expect(authorityOf(pushOf(admin))).toEqual({ trusted_ca: { inline_string: 'beside' } });
    expect(authorityOf(pushOf(admin, own))).toEqual({ trusted_ca: { inline_string: 'own' } });
  });

  test('may have several secrets, one for each kind of key; the authority is the first one’s', () => {
    const several = yaml.replace(
      'mode: MUTUAL, credentialName: admin,',
      'mode: MUTUAL, credentialNames: [admin, other],',
    );
    const of = (...all: Credential[]): Discovered =>
      discover({ revision: 1, resources: resourcesOf(several), workloads: [], credentials: new Credentials(all) });
    const other = { ...shop, name: 'other' };
    const push = of(shop, admin, other);
    expect(chainOf('admin.example.com', push)?.found.transport_socket?.typed_config).toMatchObject({
      common_tls_context: {
        tls_certificate_sds_secret_configs: [{ name: 'kubernetes://admin' }, { name: 'kubernetes://other' }],
        combined_validation_context: { validation_context_sds_secret_config: { name: 'kubernetes://admin-cacert' } },
      },
    });
    expect(secretsOfNode(edge, push, names).map(({ name }) => name)).toEqual(names);
    expect(chainOf('admin.example.com', of(shop, admin))?.refuses).toBe(true);
  });

  test('closes connections while the secret is not there, and the others are served', () => {
    const push = pushOf(shop, { ...admin, trustedCa: undefined });
    expect([chainOf('shop.example.com', push)?.refuses, chainOf('admin.example.com', push)?.refuses]).toEqual([
      false,
      true,
    ]);
  });

  test('is told of by its Gateway and what it lacks', () => {
    const faults: CredentialFault[] = [];
    const generators = createGenerators(new ResourceEncoder(), undefined, (fault) => faults.push(fault));
    generators.LDS.all(edge, pushOf({ ...admin, trustedCa: undefined }));
    expect(faults).toEqual([
      {
        gateway: 'default/front',
        hosts: 'shop.example.com',
        fault: 'secret default/shop has no tls.crt with its tls.key',
      },
      {
        gateway: 'default/front',
        hosts: 'admin.example.com',
        fault: 'neither secret default/admin nor admin-cacert has a ca.crt',
      },
    ]);
  });
});

describe('secrets', () => {
  test('go to gateways of their namespace whose Gateways name them, and to nobody else', () => {
    const push = pushOf(shop, admin, { ...shop, name: 'other' });
    const of = (node: typeof edge) => secretsOfNode(node, push, names).length;
    expect(of(edge)).toBe(3);
    expect(of({ ...edge, namespace: 'elsewhere' })).toBe(0);
    expect(of({ ...edge, labels: { gateway: 'inner' } })).toBe(0);
    expect(of(metadataOf({ labels: { gateway: 'edge' } }))).toBe(0);
    expect(chainOf('shop.example.com', push)?.refuses).toBe(false);
  });

  test('are known by nobody who is not trusted, and every question is told of', () => {
    const push = pushOf(shop, admin);
    const refused: string[] = [];
    const generators = createGenerators(new ResourceEncoder(), undefined);
    const strangers = withoutSecrets(generators, () => refused.push('secret'));
    expect(generators.SDS.lookup(edge, push)('kubernetes://shop')).toBeDefined();
    expect(strangers.SDS.lookup(edge, push)('kubernetes://shop')).toBeUndefined();
    expect(strangers.SDS.all(edge, push).size).toBe(0);
    expect(refused).toEqual(['secret']);
    expect(strangers.LDS.all(edge, push)).toEqual(generators.LDS.all(edge, push));
  });
});

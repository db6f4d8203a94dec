import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, call } from '../support/http-call.ts';
import { eventually, fetchText, Mesh, type RunningSidecar } from '../support/mesh.ts';
import { Authority } from '../support/pki.ts';
import { TlsBackend, type TlsEcho } from '../support/tls-backend.ts';

/** A host outside the mesh that is called in plain text, and what its DestinationRule says about TLS. */
function outside(name: string, port: number, tls: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name} }
spec:
  hosts: [${name}.example.com]
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${port} }]
  resolution: STATIC
  endpoints: [{ address: 127.0.0.1 }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name} }
spec: { host: ${name}.example.com, trafficPolicy: { tls: ${tls} } }`;
}

describe('an application that speaks plain HTTP to hosts with TLS, through its sidecar', () => {
  let mesh: Mesh;
  let sidecar: RunningSidecar;
  let authority: Authority;
  let other: Authority;
  const backends: TlsBackend[] = [];
  const file = (name: string): string => join(mesh.dir, name);
  const write = (name: string, text: string): string => {
    writeFileSync(`${file(name)}.new`, text);
    renameSync(`${file(name)}.new`, file(name));
    return file(name);
  };
  const start = async (options: Parameters<typeof TlsBackend.start>[0]): Promise<number> => {
    const backend = await TlsBackend.start(options);
    backends.push(backend);
    return backend.port;
  };

  beforeAll(async () => {
    mesh = await Mesh.create();
    authority = new Authority();
    other = new Authority('another authority');
    await mesh.startControlPlane();
    sidecar = await mesh.startSidecar({ service: 'caller', hasApplication: false });
    const names = ['good', 'stranger', 'mutual', 'lenient', 'renewed', 'untrusted'];
    const server = authority.issue({ names: names.map((name) => `DNS:${name}.example.com`) });
    const expired = authority.issue({ names: ['DNS:expired.example.com'], isExpired: true });
    const client = authority.issue({ names: ['URI:spiffe://mesh/caller'] });
    const ca = write('ca.pem', authority.cert);
    const wrong = write('wrong.pem', other.cert);
    write('renewed.pem', other.cert);
    const port = await start(server);
    const mutualPort = await start({ ...server, requestCert: true, rejectUnauthorized: true, ca: authority.cert });
    const keys = `clientCertificate: ${write('client.pem', client.cert)}, privateKey: ${write('client.key', client.key)}`;
    await mesh.apply(
      outside('good', port, `{ mode: SIMPLE, caCertificates: ${ca} }`),
      outside('stranger', port, `{ mode: SIMPLE, caCertificates: ${wrong} }`),
      outside('bank', port, `{ mode: SIMPLE, caCertificates: ${ca} }`),
      outside('alias', port, `{ mode: SIMPLE, caCertificates: ${ca}, sni: good.example.com }`),
      outside('expired', await start(expired), `{ mode: SIMPLE, caCertificates: ${ca} }`),
      outside('mutual', mutualPort, `{ mode: MUTUAL, caCertificates: ${ca}, ${keys} }`),
      outside('keyless', mutualPort, `{ mode: SIMPLE, caCertificates: ${ca}, sni: mutual.example.com }`),
      outside('renewed', port, `{ mode: SIMPLE, caCertificates: ${file('renewed.pem')} }`),
      outside('untrusted', port, '{ mode: SIMPLE }'),
      outside('lenient', port, '{ mode: SIMPLE, insecureSkipVerify: true }'),
    );
    await eventually(async () => ((await ask('lenient')).status === 200 ? true : undefined));
  });

  afterAll(async () => {
    await Promise.all(backends.map((backend) => backend.close()));
    authority.close();
    other.close();
    await mesh.close();
  });

  const ask = (name: string): Promise<Answer> =>
    call(Number(new URL(sidecar.outboundUrl).port), { host: `${name}.example.com` });
  const echo = async (name: string): Promise<TlsEcho> => {
    const { status, body } = await ask(name);
    expect(status, body).toBe(200);
    return JSON.parse(body) as TlsEcho;
  };
  const statOf = async (host: string, name: string): Promise<number> => {
    const stats = await fetchText(`${sidecar.adminUrl}/stats`);
    const line = stats.split('\n').find((each) => each.startsWith(`cluster.outbound|80||${host}.example.com.${name}:`));
    return Number(line?.split(': ')[1] ?? 0);
  };

  it('reaches the host that it names, verified against the authority of the rule', async () => {
    expect(await echo('good')).toMatchObject({ serverName: 'good.example.com', protocol: 'TLSv1.3' });
    expect(await statOf('good', 'ssl.handshake')).toBeGreaterThan(0);
  });

  it('asks for another server name when the rule has one, and verifies that', async () => {
    expect(await echo('alias')).toMatchObject({ serverName: 'good.example.com' });
  });

  it('shows the certificate of the rule to a server that asks for one, and is refused without', async () => {
    expect(await echo('mutual')).toMatchObject({ client: 'URI:spiffe://mesh/caller' });
    expect((await ask('keyless')).status).toBe(503);
  });

  it('is not let through to a host of another authority, name or time, nor to one that its system does not trust', async () => {
    for (const [host, stat] of [
      ['stranger', 'fail_verify_error'],
      ['bank', 'fail_verify_san'],
      ['expired', 'fail_verify_error'],
      ['untrusted', 'fail_verify_error'],
    ] as const) {
      const { status, body } = await ask(host);
      expect(status, host).toBe(503);
      expect(body, host).toContain("the peer's certificate ");
      expect(await statOf(host, `ssl.${stat}`), host).toBeGreaterThan(0);
    }
  });

  it('trusts a new authority as soon as its file is replaced', async () => {
    expect((await ask('renewed')).status).toBe(503);
    write('renewed.pem', authority.cert);
    await eventually(async () => ((await ask('renewed')).status === 200 ? true : undefined));
  });
});

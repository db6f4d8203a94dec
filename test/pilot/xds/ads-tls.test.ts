/** Proxies and pilot show each other certificates, over real sockets. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { buildPilotTransportSocket } from '../../../pilot/cli/pilot-tls.ts';
import { buildSidecarBootstrap } from '../../../pilot/cli/sidecar-bootstrap.ts';
import { AdsServer } from '../../../pilot/xds/ads-server.ts';
import { refreshMs, XdsCertificates } from '../../../pilot/xds/xds-tls.ts';
import { encodeNode, nodeIdOf } from '../../../proxy/api/node.ts';
import type { Bootstrap } from '../../../proxy/api/envoy.gen.ts';
import { createLogger, type Logger, silentLogger } from '../../../proxy/common/log.ts';
import type { ProxyServer } from '../../../proxy/server.ts';
import { adsBootstrapText } from '../../support/ads-bootstrap.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { startEnvoy } from '../../support/envoy.ts';
import { createProxy } from '../../support/in-process-proxy.ts';
import { requirePeers } from '../../support/peers.ts';
import { Authority, type Certificate, temporaryFolder } from '../../support/pki.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { unusedPort } from '../../support/unused-port.ts';
import { metadataOf, serviceYaml } from '../networking/scenario.ts';
import { ControlPlane } from './control-plane.ts';

const pilotNames = ['DNS:pilot.heddle', 'IP:127.0.0.1'];

/** A folder as `--xds-tls-dir` and `--pilot-tls-dir` want it. */
function writeFolder(folder: string, { cert, key }: Certificate, ca: string): string {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries({ 'tls.crt': cert, 'tls.key': key, 'ca.crt': ca })) {
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

interface Stage {
  readonly authority: Authority;
  readonly server: AdsServer;
  readonly pilotFolder: string;
  readonly clock: ManualClock;
}

async function startPilot(names: readonly string[] = pilotNames): Promise<Stage> {
  const authority = closeAfterTest(new Authority());
  const pilotFolder = writeFolder(temporaryFolder(), authority.issue({ names }), authority.cert);
  const controlPlane = closeAfterTest(await ControlPlane.start(serviceYaml('reviews')));
  const { discovery, clock } = controlPlane;
  const keepalive = { intervalMs: 3_600_000, timeoutMs: 3_600_000 };
  const tls = { host: '127.0.0.1', port: 0, folder: pilotFolder };
  const options = { host: '127.0.0.1', port: 0, discovery, keepalive, clock, logger: silentLogger };
  const server = closeAfterTest(new AdsServer({ ...options, tls }));
  await server.start();
  return { authority, server, pilotFolder, clock };
}

interface Dialled {
  readonly port: number;
  /** As pilot is called. */
  readonly host?: string;
  /** Of the proxy's certificate; undefined: it speaks plain text. */
  readonly folder: string | undefined;
  readonly logger?: Logger;
}

/** Not started yet. */
async function proxyFor({ port, host = '127.0.0.1', folder, logger }: Dialled): Promise<ProxyServer> {
  const metadata = metadataOf({ service: '', appPort: 0, inboundPort: 0, outboundPort: await unusedPort() });
  const node = encodeNode({ id: nodeIdOf(metadata), cluster: 'client.default', metadata });
  const bootstrap = JSON.parse(adsBootstrapText(port)) as Bootstrap;
  const [cluster = {}, ...others] = bootstrap.static_resources?.clusters ?? [];
  const transport = folder === undefined ? {} : { transport_socket: buildPilotTransportSocket(folder, host) };
  const clusters = [{ ...cluster, ...transport }, ...others];
  return createProxy(
    JSON.stringify({ ...bootstrap, node, static_resources: { clusters } }),
    logger === undefined ? {} : { logger },
  );
}

/** Why the first attempt to reach pilot has failed. */
async function refusalOf(dialled: Dialled): Promise<string> {
  return new Promise((resolve, reject) => {
    const logger = createLogger('proxy', 'warn', (line) => {
      if (line.includes('ADS stream ended')) resolve(line);
    });
    proxyFor({ ...dialled, logger }).then((proxy) => void proxy.start().catch(() => {}), reject);
  });
}

describe('xDS over TLS', () => {
  test.each(['127.0.0.1', 'pilot.heddle'])(
    'serves a proxy that has a certificate of its authority: %s',
    async (host) => {
      const { authority, server } = await startPilot();
      const folder = writeFolder(temporaryFolder(), authority.issue({ names: ['DNS:edge'] }), authority.cert);
      const proxy = await proxyFor({ port: server.tlsPort, host, folder });
      await proxy.start();
      expect(proxy.clusters.get('outbound|80||reviews.default.svc.cluster.local')).toBeDefined();
    },
  );

  test('serves a real Envoy that starts from the bootstrap of a sidecar', async (context) => {
    requirePeers(context, 'envoy');
    const { authority, server } = await startPilot();
    const folder = writeFolder(temporaryFolder(), authority.issue({ names: ['DNS:edge'] }), authority.cert);
    const [admin, outbound] = await Promise.all([unusedPort(), unusedPort()]);
    const bootstrap = buildSidecarBootstrap({
      identity: {
        service: 'shell',
        namespace: 'default',
        version: '1',
        labels: {},
        instance: 'a',
        address: '127.0.0.1',
      },
      ports: { app: undefined, inbound: undefined, outbound, admin },
      pilot: { host: '127.0.0.1', port: server.tlsPort },
      pilotTlsDir: folder,
    });
    await startEnvoy(join(folder, 'bootstrap.json'), JSON.stringify(bootstrap), admin);
    const clusters = async (): Promise<string> => (await fetch(`http://127.0.0.1:${admin}/clusters`)).text();
    await expect.poll(clusters, { timeout: 10_000 }).toContain('outbound|80||reviews.default.svc.cluster.local');
  });

  test('refuses who has none, has one of somebody else, or speaks plain text', async () => {
    const { authority, server } = await startPilot();
    const stranger = closeAfterTest(new Authority('stranger'));
    const folder = writeFolder(temporaryFolder(), stranger.issue(), authority.cert);
    expect(await refusalOf({ port: server.tlsPort, folder })).toMatch(/ADS stream ended/);
    expect(await refusalOf({ port: server.tlsPort, folder: undefined })).toMatch(/ADS stream ended/);
    const anonymous = { ca: authority.cert, servername: 'pilot.heddle', ALPNProtocols: ['h2'] };
    const socket = connect({ port: server.tlsPort, host: '127.0.0.1', ...anonymous });
    closeAfterTest({ close: () => void socket.destroy() });
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED');
  });

  test('is not spoken to by a proxy when pilot is not who it should be', async () => {
    const { authority, server } = await startPilot(['DNS:other']);
    const mine = authority.issue({ names: ['DNS:edge'] });
    const stranger = closeAfterTest(new Authority('stranger'));
    const known = writeFolder(temporaryFolder(), mine, authority.cert);
    const unknown = writeFolder(temporaryFolder(), mine, stranger.cert);
    const port = server.tlsPort;
    expect(await refusalOf({ port, folder: known })).toContain("the peer's certificate has none of the names expected");
    expect(await refusalOf({ port, folder: known, host: 'pilot.heddle' })).toContain('none of the names expected');
    expect(await refusalOf({ port, folder: unknown, host: 'other' })).toMatch(/unable to|self.signed|certificate/);
  });

  test('shows and takes certificates that were replaced, without a restart; useless ones replace nothing', async () => {
    const { authority, server, pilotFolder, clock } = await startPilot();
    const next = closeAfterTest(new Authority('next'));
    const before = writeFolder(temporaryFolder(), authority.issue({ names: ['DNS:edge'] }), authority.cert);
    const after = writeFolder(temporaryFolder(), next.issue({ names: ['DNS:edge'] }), next.cert);
    const port = server.tlsPort;
    const serves = async (folder: string): Promise<boolean> => {
      const proxy = await proxyFor({ port, folder });
      const refused = refusalOf({ port, folder }).then(() => false);
      return Promise.race([
        proxy.start().then(
          () => true,
          () => false,
        ),
        refused,
      ]);
    };
    writeFileSync(join(pilotFolder, 'tls.key'), 'half a ke');
    clock.advance(refreshMs);
    expect(await serves(before)).toBe(true);
    writeFolder(pilotFolder, next.issue({ names: pilotNames }), next.cert);
    clock.advance(refreshMs);
    await expect.poll(() => serves(after), { timeout: 10_000 }).toBe(true);
    expect(await serves(before)).toBe(false);
  }, 60_000);
});

describe('a folder that cannot be served from', () => {
  test('is named, with what is wrong', async () => {
    const authority = closeAfterTest(new Authority());
    const [own, other] = [authority.issue(), authority.issue()];
    const folder = writeFolder(temporaryFolder(), own, authority.cert);
    const open = (at: string) => new XdsCertificates(at, { clock: new ManualClock(), logger: silentLogger }).open();
    await expect(open(join(folder, 'nowhere'))).rejects.toThrow(/nowhere: ENOENT.*tls\.crt/);
    writeFolder(folder, { ...own, key: other.key }, authority.cert);
    await expect(open(folder)).rejects.toThrow(/key values mismatch/);
    writeFolder(folder, own, 'nothing');
    await expect(open(folder)).rejects.toThrow(/ca\.crt has no certificate/);
    writeFolder(folder, own, authority.cert);
    await open(folder);
  });
});

/** `heddle up`: pilot and mixer in one process, for one machine. */
import { type Command, Option } from 'commander';
import { formatManifestError } from '../../crds/manifest.ts';
import type { MeshConfig } from '../../crds/mesh-config.ts';
import type { Lifecycle } from '../../proxy/common/lifecycle.ts';
import { createLogger } from '../../proxy/common/log.ts';
import type { SocketAddress } from '../xds/generators.ts';
import type { CommandContext } from './context.ts';
import type { PilotOptions } from '../options.ts';
import { CommandError, exitCodes } from './exit-code.ts';
import { readTextFile } from './text-file.ts';
import { reachableHost, resolveHost } from './host-address.ts';
import { parseBounds, parseRedis } from '../../mixer/option-parsers.ts';
import * as parse from './option-parsers.ts';
import { startServer } from './serving.ts';
import { listenForStop } from './signals.ts';

interface UpOptions {
  readonly dataDir: string;
  readonly host: string;
  readonly restPort: number;
  readonly xdsPort: number;
  readonly metricsPort: number;
  readonly mixerPort: number;
  /** Where sidecars reach the mixer, when that is not where it listens. */
  readonly mixerAddress?: parse.HostPort;
  readonly redis?: string;
  readonly histogramBuckets?: readonly number[];
  readonly meshConfig?: string;
  readonly secretsDir?: string;
  readonly xdsHost?: string;
  readonly xdsTlsDir?: string;
  readonly xdsTlsPort?: number;
  /** Milliseconds. */
  readonly keepaliveInterval: number;
  /** Milliseconds. */
  readonly keepaliveTimeout: number;
}

/** Istio's number for xDS with certificates. */
const defaultTlsPort = 15_012;
/** Time for open streams and calls to end after SIGTERM. */
const drainMs = 2000;

export function registerUp(program: Command, context: CommandContext): void {
  program
    .command('up')
    .summary('start the control plane and the telemetry of one machine')
    .description(
      'Starts pilot (REST API and xDS server) and mixer (telemetry, canaries) in one process and prints one line when both serve. ' +
        'Ends on SIGTERM or Ctrl-C. A port of 0 lets the system choose; the line tells which it was.',
    )
    .option('--data-dir <dir>', 'where resources are stored', './.heddle')
    .option('--host <ip>', 'address to listen on; there is no authentication', parse.parseAddress, '127.0.0.1')
    .option('--rest-port <port>', 'REST API for heddle and kubectl', parse.parseListenPort, 15_080)
    .option('--xds-port <port>', 'xDS for sidecars', parse.parseListenPort, 15_010)
    .option('--metrics-port <port>', '/metrics for Prometheus', parse.parseListenPort, 15_014)
    .option('--mixer-port <port>', 'telemetry of sidecars', parse.parseListenPort, 15_030)
    .option(
      '--mixer-address <host:port>',
      'where sidecars are told to report to (default: --host, or 127.0.0.1 for a wildcard, and --mixer-port)',
      parse.parseHostPort,
    )
    .option(
      '--redis <url>',
      'keeps the tokens of global rate limits together with those of other mixers, such as redis://127.0.0.1:6379',
      parseRedis,
    )
    .option(
      '--histogram-buckets <bounds>',
      'upper bounds of the buckets that /metrics shows, such as 5,25,100,500,1000; default all that are counted',
      parseBounds,
    )
    .addOption(secondsOption('--keepalive-interval <seconds>', 'between pings to a sidecar', 3))
    .addOption(secondsOption('--keepalive-timeout <seconds>', 'until a sidecar that is silent is given up', 2))
    .option('--mesh-config <file>', "Istio's MeshConfig: defaults of the whole mesh, read once")
    .option(
      '--secrets-dir <dir>',
      'certificates that Gateways name by credentialName, NAMESPACE/NAME/tls.crt, tls.key, ca.crt; read again as they change',
    )
    .option('--xds-host <ip>', 'address for xDS in plain text (default: --host)', parse.parseAddress)
    .option(
      '--xds-tls-dir <dir>',
      'serve xDS over TLS too: tls.crt, tls.key, and ca.crt that clients must have a certificate of; read again as they change',
    )
    .option('--xds-tls-port <port>', `port of --xds-tls-dir (default: ${defaultTlsPort})`, parse.parseListenPort)
    .addHelpText('after', '\nExamples:\n  heddle up\n  heddle up --data-dir /var/lib/heddle --rest-port 8080\n')
    .action(async (options: UpOptions) => {
      await runControlPlane(options, context);
    });
}

async function runControlPlane(options: UpOptions, context: CommandContext): Promise<void> {
  const xdsTls = planXdsTls(options);
  const [{ PilotServer }, { MixerServer }] = await Promise.all([
    import('../server.ts'),
    import('../../mixer/server.ts'),
  ]);
  const meshConfig = await loadMeshConfig(options.meshConfig);
  const logger = createLogger('up', 'warn');
  const { host } = options;
  const stop = listenForStop();
  /** Whoever is in here is closed, whether its start succeeded or not. */
  const started: Lifecycle[] = [];
  try {
    const mixer = new MixerServer({
      host,
      grpcPort: options.mixerPort,
      metricsPort: options.metricsPort,
      ...(options.redis === undefined ? {} : { redisUrl: options.redis }),
      ...(options.histogramBuckets === undefined ? {} : { shownBounds: options.histogramBuckets }),
      logger,
    });
    started.push(mixer);
    await startServer(mixer);
    const pilot = new PilotServer({
      dataDir: options.dataDir,
      host,
      restPort: options.restPort,
      xdsPort: options.xdsPort,
      mixerAddress: await advertiseMixer(options, mixer.grpcPort),
      meshConfig,
      ...(options.secretsDir === undefined ? {} : { secretsDir: options.secretsDir }),
      ...(options.xdsHost === undefined ? {} : { xdsHost: options.xdsHost }),
      ...xdsTls,
      keepalive: { intervalMs: options.keepaliveInterval, timeoutMs: options.keepaliveTimeout },
      logger,
    });
    started.push(pilot);
    await startServer(pilot);
    await mixer.followPilot(`http://${bracket(reachableHost(host))}:${pilot.restPort}`);
    const withTls = pilot.xdsTlsPort === 0 ? '' : `, xDS over TLS ${host}:${pilot.xdsTlsPort}`;
    context.stdout.write(
      `heddle is up: API http://${host}:${pilot.restPort}, xDS ${options.xdsHost ?? host}:${pilot.xdsPort}${withTls}, ` +
        `metrics http://${host}:${mixer.metricsPort}/metrics, mixer ${host}:${mixer.grpcPort}, data in ${options.dataDir}\n`,
    );
    await stop.first;
    await Promise.race([mixer.leavePilot(drainMs), stop.second]);
    for (const server of started.toReversed()) await Promise.race([server.drain(drainMs), stop.second]);
  } finally {
    stop.dispose();
    for (const server of started.toReversed()) await server.close();
  }
}

function planXdsTls({ xdsTlsDir: folder, xdsTlsPort }: UpOptions): Pick<PilotOptions, 'xdsTls'> {
  if (folder !== undefined) return { xdsTls: { folder, port: xdsTlsPort ?? defaultTlsPort } };
  if (xdsTlsPort === undefined) return {};
  throw new CommandError('--xds-tls-port needs --xds-tls-dir', exitCodes.usage);
}

async function loadMeshConfig(file: string | undefined): Promise<MeshConfig> {
  if (file === undefined) return {};
  const { readMeshConfig } = await import('../../crds/mesh-config.ts');
  const decoded = readMeshConfig(await readTextFile(file), file);
  if (decoded.errors !== undefined) throw new CommandError(decoded.errors.map(formatManifestError).join('\n'));
  return decoded.value;
}

/** What sidecars are told. `port`: where the mixer listens. */
async function advertiseMixer({ host, mixerAddress }: UpOptions, port: number): Promise<SocketAddress> {
  if (mixerAddress === undefined) return { address: reachableHost(host), port };
  const resolved = await resolveHost(mixerAddress, 'the mixer');
  return { address: resolved.host, port: resolved.port };
}

/** Given in seconds, kept in milliseconds. */
function secondsOption(flags: string, description: string, defaultSeconds: number): Option {
  return new Option(flags, description)
    .argParser(parse.parseKeepalive)
    .default(defaultSeconds * 1_000, String(defaultSeconds));
}

/** An address as URLs have it. */
function bracket(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

/** `heddle proxy`: one proxy from an Envoy bootstrap, with or without a control plane. */
import { Option, type Command } from 'commander';
import type { DnsCapture } from '../../proxy/api/dns-capture.ts';
import type { Interception, InterceptionMode } from '../../proxy/api/interception.ts';
import { requireValue } from '../../proxy/common/decoded.ts';
import type { ProxyServer } from '../../proxy/server.ts';
import type { Bootstrap } from '../../proxy/bootstrap.ts';
import { createLogger } from '../../proxy/common/log.ts';
import type { CommandContext } from './context.ts';
import { exitCodeOfSignal, exitCodes } from './exit-code.ts';
import {
  type DnsOptions,
  dnsOptions,
  drainOption,
  interceptionOption,
  planDnsCapture,
  reopenLogsOnSignal,
  serveUntilStopped,
  startServer,
} from './serving.ts';
import { listenForStop } from './signals.ts';
import { readTextFile } from './text-file.ts';

interface ProxyOptions extends DnsOptions {
  readonly configPath: string;
  readonly mode: 'serve' | 'validate';
  readonly interceptionMode?: InterceptionMode;
  /** Milliseconds, given in seconds. */
  readonly drainSeconds: number;
}

export function registerProxy(program: Command, context: CommandContext): void {
  const [captureDns, dnsPort] = dnsOptions();
  program
    .command('proxy')
    .summary('start a proxy from an Envoy bootstrap file')
    .description(
      'Starts a proxy from an Envoy v3 bootstrap, YAML or JSON. What is not supported is an error that names the field.',
    )
    .requiredOption('-c, --config-path <file>', 'bootstrap file')
    .addOption(
      new Option('--mode <mode>', 'serve, or only validate the file').choices(['serve', 'validate']).default('serve'),
    )
    .addOption(interceptionOption())
    .addOption(captureDns)
    .addOption(dnsPort)
    .addOption(drainOption())
    .addHelpText('after', '\nExamples:\n  heddle proxy -c envoy.yaml\n  heddle proxy -c envoy.yaml --mode validate\n')
    .action(async (options: ProxyOptions) => {
      const { configPath, mode, interceptionMode, drainSeconds } = options;
      const { readBootstrap } = await import('../../proxy/bootstrap.ts');
      const read = requireValue(readBootstrap(await readTextFile(configPath), configPath), configPath);
      const interception = interceptionMode === undefined ? {} : { interceptionMode };
      const bootstrap = withMetadata(read, { ...interception, ...planDnsCapture(options) });
      if (mode === 'validate') {
        context.stdout.write(`configuration '${configPath}' OK\n`);
        return;
      }
      const { ProxyServer } = await import('../../proxy/server.ts');
      const server = new ProxyServer(bootstrap, { logger: createLogger('proxy') });
      context.exitCode = await serve(server, drainSeconds);
    });
}

/** Options count more than the file's INTERCEPTION_MODE and DNS_CAPTURE. */
function withMetadata(bootstrap: Bootstrap, given: Interception & DnsCapture): Bootstrap {
  const { node } = bootstrap;
  return { ...bootstrap, node: { ...node, metadata: { ...node.metadata, ...given } } };
}

/** Until SIGTERM or SIGINT; resolves with the exit code. */
async function serve(server: ProxyServer, drainMs: number): Promise<number> {
  const stop = listenForStop();
  const stopReopening = reopenLogsOnSignal(server);
  try {
    const stopped = await Promise.race([startServer(server), stop.first]);
    if (stopped !== undefined) return exitCodeOfSignal(stopped);
    await serveUntilStopped(server, stop, drainMs);
    return exitCodes.ok;
  } finally {
    stop.dispose();
    stopReopening();
    await server.close();
  }
}

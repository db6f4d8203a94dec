/** `heddle proxy-status`: whether each connected sidecar has what pilot wants it to have, and takes traffic. */
import { Option, type Command } from 'commander';
import { type ProxySyncStatus, servedNames } from '../xds/sync-status.ts';
import { openApi, serverOption } from './api-client.ts';
import type { CommandContext } from './context.ts';
import { formatTable } from './text-table.ts';

interface ProxyStatusOptions {
  readonly server?: string;
  readonly output?: 'json';
}

export function registerProxyStatus(program: Command, context: CommandContext): void {
  program
    .command('proxy-status')
    .summary('show which sidecars are connected and what they have accepted')
    .description(
      'One line per connected sidecar, one column per type of resource. SYNCED: it accepted the latest. STALE: the latest is ' +
        'on its way. NACK: it refused the latest and keeps what it had; the reason follows. NOT SENT: it did not ask. ' +
        'WORKLOAD tells whether others are sent to it. IN ROTATION: they are. WAITING: not yet. UNHEALTHY: its application ' +
        'is not ready; the reason follows. DRAINING: it is about to end. CLIENT: it serves nothing.',
    )
    .addOption(new Option('-o, --output <format>', 'other than a table').choices(['json']))
    .addOption(serverOption())
    .addHelpText('after', '\nExamples:\n  heddle proxy-status\n  heddle proxy-status -o json\n')
    .action(async (options: ProxyStatusOptions) => {
      const client = openApi(options, context);
      try {
        const statuses = (await client.require('GET', '/debug/syncz')) as readonly ProxySyncStatus[];
        context.stdout.write(
          options.output === 'json' ? `${JSON.stringify(statuses, null, 2)}\n` : printStatuses(statuses),
        );
      } finally {
        await client.close();
      }
    });
}

function printStatuses(statuses: readonly ProxySyncStatus[]): string {
  if (statuses.length === 0) return 'No sidecar is connected.\n';
  const rows = statuses.map(({ proxy, types, workload }) => [
    proxy,
    ...servedNames.map((name) => types[name].status),
    workload.status,
  ]);
  const reasons = statuses.flatMap(({ proxy, types }) =>
    servedNames.flatMap((name) => {
      const { reason } = types[name];
      return reason === undefined ? [] : [`${proxy} refused ${name}: ${reason}\n`];
    }),
  );
  const unhealthy = statuses.flatMap(({ proxy, workload: { reason } }) =>
    reason === undefined ? [] : [`${proxy} is not ready: ${reason}\n`],
  );
  return formatTable(['Name', ...servedNames, 'Workload'], rows) + [...reasons, ...unhealthy].join('');
}

/** `heddle canary`: releases that decide themselves, seen and steered by people and pipelines. */
import type { Command } from 'commander';
import { serverOption } from './api-client.ts';
import { listCanaries } from './canary/list.ts';
import { follow, type FollowOptions } from './canary/follow.ts';
import { CanaryApi } from './canary/canary-api.ts';
import type { CommandContext } from './context.ts';
import { parseName, parseSeconds } from './option-parsers.ts';

interface CanaryOptions extends FollowOptions {
  readonly server?: string;
  readonly namespace: string;
}

interface ListOptions {
  readonly server?: string;
  readonly namespace: string;
  readonly allNamespaces?: boolean;
}

const exitCodes = `
Exit codes with --wait (watch has the first two without it too):
  0  Succeeded: all requests go to the canary
  1  Failed: all requests went back to the primary; or the command was refused
  4  not decided: paused, at a gate that waits for a person, or not within --timeout
`;

/** What each verb asks of the mixer. */
const actions = [
  [
    'promote',
    'open the gate that a release stands at',
    'Lets a release go that waits for a person: before its first request, before its promotion, or after its time was up. It is no way around the analysis.',
  ],
  [
    'abort',
    'send all requests back to the primary',
    'Ends a release. All requests go back to the primary; that is final for this revision.',
  ],
  [
    'pause',
    'keep the share that the canary has',
    'Keeps a release at its step. Evidence against the canary still rolls it back.',
  ],
  [
    'resume',
    'go on after a pause',
    'Ends a pause on request, or gives a release whose time was up the same time again.',
  ],
] as const;

export function registerCanary(program: Command, context: CommandContext): void {
  const canary = program
    .command('canary')
    .summary('watch and steer releases that decide themselves')
    .description(
      'The mixer moves a Canary from step to step, or back, by what its requests show. These commands show that, and steer it.',
    )
    .addHelpText(
      'after',
      `${exitCodes}\nExamples:\n  heddle apply -f canary.yaml && heddle canary watch reviews --wait --timeout 1800\n`,
    );
  registerList(canary, context);
  registerWatch(canary, context);
  for (const [action, summary, description] of actions) {
    withFollowOptions(canary.command(action).summary(summary).description(description).argument('<name>'))
      .option('--wait', 'until the release is decided')
      .addHelpText('after', exitCodes)
      .action(async (name: string, options: CanaryOptions) => {
        await withApi(options, context, async (api) => {
          await api.request({ namespace: options.namespace, name }, action);
          context.stdout.write(`canary ${options.namespace}/${name}: ${action} requested\n`);
          if (options.wait === true) await follow(api, { namespace: options.namespace, name }, options, context);
        });
      });
  }
}

function registerList(canary: Command, context: CommandContext): void {
  canary
    .command('list')
    .summary('show all releases')
    .description('One line per Canary: where it stands and what speaks for and against it.')
    .option('-n, --namespace <name>', 'namespace', parseName, 'default')
    .option('-A, --all-namespaces', 'of all namespaces')
    .addOption(serverOption())
    .action(async (options: ListOptions) => {
      await withApi(options, context, async (api) => {
        const namespace = options.allNamespaces === true ? undefined : options.namespace;
        context.stdout.write(listCanaries(await api.list(namespace), namespace === undefined));
      });
    });
}

function registerWatch(canary: Command, context: CommandContext): void {
  withFollowOptions(
    canary
      .command('watch')
      .summary('follow a release until it is decided')
      .description(
        'Weights, requests, the ratio of the error rates with its interval, the e-value and the step, once a second; plain lines where the output is no terminal.',
      )
      .argument('<name>'),
  )
    .option('--wait', 'for pipelines: end with 4 as soon as the release needs a person')
    .addHelpText('after', exitCodes)
    .action(async (name: string, options: CanaryOptions) => {
      await withApi(options, context, (api) => follow(api, { namespace: options.namespace, name }, options, context));
    });
}

function withFollowOptions(command: Command): Command {
  return command
    .option('-n, --namespace <name>', 'namespace', parseName, 'default')
    .option('--timeout <seconds>', 'wait no longer than this (default: for ever)', parseSeconds)
    .addOption(serverOption());
}

async function withApi(
  options: { readonly server?: string },
  context: CommandContext,
  work: (api: CanaryApi) => Promise<void>,
): Promise<void> {
  const api = new CanaryApi(options, context);
  try {
    await work(api);
  } finally {
    await api.close();
  }
}

/** `heddle get`: what is stored. */
import { Option, type Command } from 'commander';
import { dump } from 'js-yaml';
import type { Kind } from '../../crds/kinds.ts';
import { findConflicts, MeshIndex } from '../../crds/references.ts';
import type { Resource } from '../../crds/resource.ts';
import { byAge } from '../../crds/resource-table.ts';
import { openApi, serverOption, type ApiClient } from './api-client.ts';
import type { CommandContext } from './context.ts';
import { parseResourceWords, resourcePath } from './kind-words.ts';
import { parseName } from './option-parsers.ts';
import { printNames, printTable } from './printer.ts';

interface GetOptions {
  readonly server?: string;
  readonly namespace: string;
  readonly allNamespaces?: boolean;
  readonly output?: 'yaml' | 'json' | 'wide' | 'name';
}

export function registerGet(program: Command, context: CommandContext): void {
  program
    .command('get')
    .summary('show stored resources')
    .description(
      'Shows the resources of a kind, or some by name. Kinds go by plural, singular or short name, as in kubectl.',
    )
    .argument(
      '<kind>',
      'virtualservices (vs), destinationrules (dr), serviceentries (se), workloadentries (we), services (svc), or KIND/NAME',
    )
    .argument('[name...]')
    .option('-n, --namespace <name>', 'namespace', parseName, 'default')
    .option('-A, --all-namespaces', 'resources of all namespaces')
    .addOption(new Option('-o, --output <format>', 'other than a table').choices(['yaml', 'json', 'wide', 'name']))
    .addOption(serverOption())
    .addHelpText(
      'after',
      '\nExamples:\n  heddle get vs\n  heddle get virtualservice/reviews -o yaml\n  heddle get dr -A -o wide\n',
    )
    .action(async (kindWord: string, nameWords: string[], options: GetOptions) => {
      const { kind, names } = parseResourceWords(kindWord, nameWords);
      const client = openApi(options, context);
      try {
        const resources = await fetchResources(client, { kind, names, options });
        print(resources, { kind, isList: names.length !== 1, options }, context);
        if (kind.kind === 'VirtualService' && isForPeople(options)) {
          context.stderr.write(await describeConflicts(client, kind, resources));
        }
      } finally {
        await client.close();
      }
    });
}

interface Wanted {
  readonly kind: Kind;
  readonly names: readonly string[];
  readonly options: GetOptions;
}

async function fetchResources(client: ApiClient, { kind, names, options }: Wanted): Promise<Resource[]> {
  const namespace = options.allNamespaces === true ? undefined : options.namespace;
  if (names.length === 0) {
    const list = (await client.require('GET', resourcePath({ kind, namespace }))) as { items: Resource[] };
    return list.items;
  }
  const resources: Resource[] = [];
  for (const name of names) {
    resources.push(
      (await client.require('GET', resourcePath({ kind, namespace: options.namespace, name }))) as Resource,
    );
  }
  return resources;
}

function isForPeople({ output }: GetOptions): boolean {
  return output === undefined || output === 'wide';
}

/** What of these resources is ignored, and for whose sake: it may stand in a namespace that was not asked for (B4). */
async function describeConflicts(client: ApiClient, kind: Kind, shown: readonly Resource[]): Promise<string> {
  if (shown.length === 0) return '';
  const path = resourcePath({ kind, namespace: undefined });
  const { items } = (await client.require('GET', path)) as { items: Resource[] };
  const mesh = new MeshIndex({ resources: items.sort(byAge), serviceExists: () => true });
  return shown
    .flatMap((resource) =>
      findConflicts(resource, mesh).map(
        ({ path, message }) =>
          `warning: ${resource.metadata.namespace}/${resource.metadata.name}: ${path}: ${message}\n`,
      ),
    )
    .join('');
}

interface View {
  readonly kind: Kind;
  readonly isList: boolean;
  readonly options: GetOptions;
}

function print(
  resources: readonly Resource[],
  { kind, isList, options }: View,
  { stdout, stderr }: CommandContext,
): void {
  const { output } = options;
  if (output === 'yaml' || output === 'json') {
    const value = isList ? { apiVersion: 'v1', kind: 'List', items: resources } : resources[0];
    stdout.write(output === 'yaml' ? dump(value) : `${JSON.stringify(value, null, 2)}\n`);
    return;
  }
  if (resources.length === 0) {
    stderr.write(
      `No ${kind.plural} found${options.allNamespaces === true ? '' : ` in namespace ${options.namespace}`}.\n`,
    );
    return;
  }
  if (output === 'name') stdout.write(printNames(resources, kind));
  else {
    const hasNamespace = options.allNamespaces === true;
    stdout.write(printTable(resources, { kind, isWide: output === 'wide', hasNamespace, nowMs: Date.now() }));
  }
}

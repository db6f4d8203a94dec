/** `heddle delete`: takes resources out of force and out of the store. */
import type { Command } from 'commander';
import { findKind } from '../../crds/kinds.ts';
import { openApi, serverOption, statusMessage } from './api-client.ts';
import { collect } from './apply.ts';
import type { CommandContext } from './context.ts';
import { CommandError, exitCodes } from './exit-code.ts';
import { parseResourceWords, qualifiedKind, resourcePath, type ResourcePlace } from './kind-words.ts';
import { readManifests } from './manifests.ts';
import { parseName } from './option-parsers.ts';

interface DeleteOptions {
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly namespace: string;
  readonly ignoreNotFound?: boolean;
  readonly server?: string;
}

type NamedPlace = ResourcePlace & { readonly name: string };

export function registerDelete(program: Command, context: CommandContext): void {
  program
    .command('delete')
    .summary('delete resources by name or by file')
    .description('Deletes the named resources of a kind, or all resources of the files, one after the other.')
    .argument('[kind]', 'kind, or KIND/NAME')
    .argument('[name...]')
    .option('-f, --filename <path>', 'file, directory or - for stdin; repeatable', collect)
    .option('-R, --recursive', 'read directories below directories too')
    .option('-n, --namespace <name>', 'namespace', parseName, 'default')
    .option('--ignore-not-found', 'a resource that is not there is no failure')
    .addOption(serverOption())
    .addHelpText(
      'after',
      '\nExamples:\n  heddle delete vs reviews ratings\n  heddle delete dr/reviews\n  heddle delete -f release.yaml\n',
    )
    .action(async (kindWord: string | undefined, nameWords: string[], options: DeleteOptions) => {
      const places = await findPlaces({ kindWord, nameWords, options }, context);
      await deleteAll(places, options, context);
    });
}

interface DeleteWords {
  readonly kindWord: string | undefined;
  readonly nameWords: readonly string[];
  readonly options: DeleteOptions;
}

async function findPlaces(
  { kindWord, nameWords, options }: DeleteWords,
  context: CommandContext,
): Promise<NamedPlace[]> {
  const { filename: paths = [], recursive: isRecursive = false, namespace } = options;
  if ((kindWord === undefined) === (paths.length === 0)) {
    throw new CommandError('either KIND NAME or -f FILE is expected', exitCodes.usage);
  }
  if (kindWord === undefined) {
    const documents = await readManifests({ paths, isRecursive, stdin: context.stdin });
    // What was written last may rest on what was written first.
    return documents.map(({ resource }) => placeOf(resource, namespace)).toReversed();
  }
  const { kind, names } = parseResourceWords(kindWord, nameWords);
  if (names.length === 0) throw new CommandError(`the name of a ${kind.kind} is expected`, exitCodes.usage);
  return names.map((name) => ({ kind, namespace, name }));
}

function placeOf(resource: object, defaultNamespace: string): NamedPlace {
  const { kind: word, metadata } = resource as { kind?: unknown; metadata?: { name?: unknown; namespace?: unknown } };
  const kind = findKind(String(word));
  const { name, namespace = defaultNamespace } = metadata ?? {};
  if (kind === undefined) throw new CommandError(`the server has no kind "${String(word)}"`);
  if (typeof name !== 'string') throw new CommandError(`a ${kind.kind} has no metadata.name`);
  return { kind, namespace: String(namespace), name };
}

/** Goes on after a failure, so that one missing resource does not keep the others. */
async function deleteAll(
  places: readonly NamedPlace[],
  options: DeleteOptions,
  context: CommandContext,
): Promise<void> {
  const client = openApi(options, context);
  try {
    for (const place of places) {
      const response = await client.call('DELETE', resourcePath(place));
      if (response.status < 300) context.stdout.write(`${qualifiedKind(place.kind)} "${place.name}" deleted\n`);
      else if (response.status !== 404 || options.ignoreNotFound !== true) {
        context.stderr.write(`heddle: ${statusMessage(response)}\n`);
        context.exitCode = exitCodes.failed;
      }
    }
  } finally {
    await client.close();
  }
}

/** `heddle apply`: all resources of all files, as one transaction. */
import type { Command } from 'commander';
import { findKind } from '../../crds/kinds.ts';
import { formatManifestError, type ManifestDocument } from '../../crds/manifest.ts';
import type { IndexedError } from '../rest/admission.ts';
import type { ApplyAnswer } from '../rest/apply-route.ts';
import { openApi, serverOption, statusMessage } from './api-client.ts';
import type { CommandContext } from './context.ts';
import { CommandError } from './exit-code.ts';
import { qualifiedKind } from './kind-words.ts';
import { readManifests, refusal } from './manifests.ts';

interface ApplyOptions {
  readonly filename: readonly string[];
  readonly recursive?: boolean;
  readonly dryRun?: boolean;
  readonly server?: string;
}

export function registerApply(program: Command, context: CommandContext): void {
  program
    .command('apply')
    .summary('store resources and put them in force')
    .description(
      'Validates all resources of all files and stores them as one transaction: all of them, or none. Faults are named ' +
        'with file, line and path, warnings go to stderr.',
    )
    .requiredOption(
      '-f, --filename <path>',
      'file, directory (*.yaml, *.yml, *.json) or - for stdin; repeatable',
      collect,
    )
    .option('-R, --recursive', 'read directories below directories too')
    .option('--dry-run', 'validate against what is stored, store nothing')
    .addOption(serverOption())
    .addHelpText(
      'after',
      '\nExamples:\n  heddle apply -f release.yaml\n  heddle apply -R -f mesh/ --dry-run\n  cat rules.yaml | heddle apply -f -\n',
    )
    .action(async (options: ApplyOptions) => {
      const { filename: paths, recursive: isRecursive = false } = options;
      const documents = await readManifests({ paths, isRecursive, stdin: context.stdin });
      const answer = await sendDocuments(documents, { options, context });
      for (const { index, path, message } of answer.warnings) {
        const place = documents[index]?.locate({ path, message });
        context.stderr.write(`warning: ${place === undefined ? message : formatManifestError(place)}\n`);
      }
      const suffix = options.dryRun === true ? ' (dry run)' : '';
      for (const { kind, name, result } of answer.results) {
        context.stdout.write(`${qualifiedKind(findKind(kind) ?? { kind, group: '' })}/${name} ${result}${suffix}\n`);
      }
    });
}

/** Collects a repeatable option. */
export function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

interface ApplyRun {
  readonly options: ApplyOptions;
  readonly context: CommandContext;
}

async function sendDocuments(
  documents: readonly ManifestDocument[],
  { options, context }: ApplyRun,
): Promise<ApplyAnswer> {
  const client = openApi(options, context);
  try {
    const path = options.dryRun === true ? '/apply?dryRun=All' : '/apply';
    const response = await client.call(
      'POST',
      path,
      documents.map(({ resource }) => resource),
    );
    if (response.status < 300) return response.body as ApplyAnswer;
    const { errors = [] } = (response.body ?? {}) as { errors?: readonly IndexedError[] };
    if (errors.length === 0) throw new CommandError(`nothing was stored: ${statusMessage(response)}`);
    throw refusal(errors.flatMap(({ index, path, message }) => documents[index]?.locate({ path, message }) ?? []));
  } finally {
    await client.close();
  }
}

/** `-f` files → resources, each with the place where it was written. */
import { formatManifestError, parseManifest, type ManifestDocument, type ManifestError } from '../../crds/manifest.ts';
import { CommandError } from './exit-code.ts';
import { readManifestFiles, type ManifestSources } from './manifest-files.ts';

/** All resources of all files; a CommandError that names every fault of form when there is one. */
export async function readManifests(
  sources: ManifestSources,
  consequence = nothingStored,
): Promise<ManifestDocument[]> {
  const manifests = (await readManifestFiles(sources)).map(({ name, text }) => parseManifest(name, text));
  const errors = manifests.flatMap(({ errors }) => errors);
  if (errors.length > 0) throw refusal(errors, consequence);
  const documents = manifests.flatMap(({ documents }) => documents);
  if (documents.length === 0) throw new CommandError(`${sources.paths.join(', ')}: no resource found`);
  return documents;
}

const nothingStored = 'nothing was stored';

/** One line per fault: `file:line: path: message`. */
export function refusal(errors: readonly ManifestError[], consequence = nothingStored): CommandError {
  return new CommandError(`${consequence}\n${errors.map(formatManifestError).join('\n')}`);
}

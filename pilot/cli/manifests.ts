/** `-f` files → resources, each with the place where it was written. */
import { formatManifestError, parseManifest, type ManifestDocument, type ManifestError } from '../../crds/manifest.ts';
import { CommandError } from './exit-code.ts';
import { readManifestFiles, type ManifestSources } from './manifest-files.ts';

/** All resources of all files; a CommandError that names every fault of form when there is one. */
export async function readManifests(sources: ManifestSources): Promise<ManifestDocument[]> {
  const manifests = (await readManifestFiles(sources)).map(({ name, text }) => parseManifest(name, text));
  const errors = manifests.flatMap(({ errors }) => errors);
  if (errors.length > 0) throw refusal(errors);
  const documents = manifests.flatMap(({ documents }) => documents);
  if (documents.length === 0) throw new CommandError(`${sources.paths.join(', ')}: no resource found`);
  return documents;
}

/** One line per fault: `file:line: path: message`. */
export function refusal(errors: readonly ManifestError[]): CommandError {
  return new CommandError(`nothing was stored\n${errors.map(formatManifestError).join('\n')}`);
}

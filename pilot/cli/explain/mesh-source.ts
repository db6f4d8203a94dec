/** Where the configuration comes from: files, a running control plane, or files laid over it. */
import type { Readable } from 'node:stream';
import { kinds } from '../../../crds/kinds.ts';
import { formatManifestError, type ManifestDocument } from '../../../crds/manifest.ts';
import type { Resource } from '../../../crds/resource.ts';
import { byAge, keyOf, keyText, timestampOf } from '../../../crds/resource-table.ts';
import { clusterHostname } from '../../model/service.ts';
import { admit, type AdmittedResource } from '../../rest/admission.ts';
import type { RegistryAnswer } from '../../server.ts';
import type { ApiClient } from '../api-client.ts';
import { resourcePath } from '../kind-words.ts';
import { readManifests, refusal } from '../manifests.ts';
import { type MeshView, ruledHosts } from './mesh-view.ts';

export interface MeshSources {
  /** Files, directories and `-`. */
  readonly paths: readonly string[];
  readonly isRecursive: boolean;
  readonly stdin: Readable;
  /** Undefined: the files are all there is. */
  readonly client: ApiClient | undefined;
}

export interface LoadedMesh {
  readonly view: MeshView;
  readonly warnings: readonly string[];
}

const nothingExplained = 'nothing was explained';

/** Rejects with the errors that `apply` would report. */
export async function loadMesh({ paths, isRecursive, stdin, client }: MeshSources): Promise<LoadedMesh> {
  const sources = { paths, isRecursive, stdin };
  const documents = paths.length === 0 ? [] : await readManifests(sources, nothingExplained);
  const live = client === undefined ? undefined : await fetchMesh(client);
  const { resources: stored = [], workloads = [], meshConfig } = live ?? {};
  const registered = new Set(workloads.map(({ service, namespace }) => clusterHostname(service, namespace)));
  const now = timestampOf(Date.now());
  const inputs = documents.map(({ resource }) => resource);
  const serviceExists = (host: string): boolean => registered.has(host);
  const context = { stored, now, meshConfig, defaultNamespace: 'default' };
  const { admitted, errors, warnings } = admit(inputs, { ...context, serviceExists });
  if (errors.length > 0) {
    const located = errors.flatMap(({ index, path, message }) => documents[index]?.locate({ path, message }) ?? []);
    throw refusal(located, nothingExplained);
  }
  const written = admitted.map((each) => resourceOf(each, now));
  const assumed = new Set(live === undefined ? written.flatMap(ruledHosts) : []);
  const isThere = (host: string): boolean => assumed.has(host) || registered.has(host);
  const second = admit(inputs, { ...context, serviceExists: isThere });
  const replaced = new Set(written.map((resource) => keyText(keyOf(resource))));
  const kept = stored.filter((resource) => !replaced.has(keyText(keyOf(resource))));
  return {
    view: {
      resources: [...kept, ...written].sort(byAge),
      workloads,
      meshConfig: meshConfig ?? {},
      knowsEndpoints: live !== undefined,
      locate: createLocator(documents, written),
    },
    // What is assumed to be there is not missed; a subset that is missed then stays a warning.
    warnings: (second.errors.length > 0 ? warnings : second.warnings).flatMap(({ index, path, message }) => {
      const place = documents[index]?.locate({ path, message });
      return place === undefined ? [] : [formatManifestError(place)];
    }),
  };
}

interface LiveMesh extends RegistryAnswer {
  readonly resources: readonly Resource[];
}

async function fetchMesh(client: ApiClient): Promise<LiveMesh> {
  const registry = (await client.require('GET', '/debug/registryz')) as RegistryAnswer;
  const resources: Resource[] = [];
  for (const kind of kinds) {
    const list = await client.require('GET', resourcePath({ kind, namespace: undefined }));
    resources.push(...(list as { readonly items: readonly Resource[] }).items);
  }
  return { ...registry, resources };
}

/** As the store would have it after an apply now: what is replaced keeps its age. */
function resourceOf({ resource, previous }: AdmittedResource, now: string): Resource {
  const stored = previous?.metadata ?? { uid: '', resourceVersion: '1', generation: 1, creationTimestamp: now };
  const { uid, resourceVersion, generation, creationTimestamp } = stored;
  return { ...resource, metadata: { ...resource.metadata, uid, resourceVersion, generation, creationTimestamp } };
}

function createLocator(documents: readonly ManifestDocument[], written: readonly Resource[]): MeshView['locate'] {
  const byName = new Map<string, ManifestDocument>();
  written.forEach(({ kind, metadata: { namespace, name } }, i) => {
    const document = documents[i];
    if (document !== undefined) byName.set(`${kind} ${namespace}/${name}`, document);
  });
  return ({ kind, name }, path) => {
    const place = byName.get(`${kind} ${name}`)?.locate({ path, message: '' });
    return place && `${place.file}:${place.line}`;
  };
}

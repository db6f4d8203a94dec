/** Manifests: files of resources as users write them, YAML or JSON, several documents, lists flattened. */
import type { FieldError } from '../proxy/common/decoded.ts';
import { show } from './findings.ts';
import { parseYaml, type YamlDocument } from './yaml-document.ts';

/** One resource as written, not yet validated. */
export interface ManifestDocument {
  /** An object: the resource. */
  readonly resource: object;
  /** As the user named it. */
  readonly file: string;
  /** The line on which the resource starts; one-based. */
  readonly line: number;
  /** A fault of this resource with the place it was written. */
  locate(error: FieldError): ManifestError;
}

export interface ManifestError extends FieldError {
  readonly file: string;
  /** One-based. */
  readonly line: number;
}

export interface Manifest {
  readonly documents: readonly ManifestDocument[];
  readonly errors: readonly ManifestError[];
}

/** Reads `text`; nothing in it is validated but its form. Never throws. */
export function parseManifest(file: string, text: string): Manifest {
  const { documents: yamlDocuments, error } = parseYaml(text);
  if (error !== undefined) return { documents: [], errors: [{ file, path: '', ...error }] };
  const documents: ManifestDocument[] = [];
  const errors: ManifestError[] = [];
  for (const yaml of yamlDocuments) {
    // `---` with nothing behind it: kubectl skips it too.
    if (yaml.value === null || yaml.value === undefined) continue;
    for (const { resource, path } of flatten(yaml.value)) {
      if (isObject(resource)) {
        documents.push(manifestDocument(file, yaml, { resource, path }));
        continue;
      }
      const message = `must be a resource with apiVersion, kind, metadata and spec, got ${show(resource)}`;
      errors.push({ file, line: yaml.lineOf(path), path, message });
    }
  }
  return { documents, errors };
}

/** `vs.yaml:12: spec.http[0].route[1].weight: must be >= 0, got -1`. */
export function formatManifestError({ file, line, path, message }: ManifestError): string {
  return `${file}:${line}: ${path === '' ? '' : `${path}: `}${message}`;
}

interface Located<T> {
  readonly resource: T;
  /** Where it stands in its document: `''`, or `items[n]` in a `kind: List`. */
  readonly path: string;
}

function flatten(value: unknown): Located<unknown>[] {
  const { kind, items } = (isObject(value) ? value : {}) as { readonly kind?: unknown; readonly items?: unknown };
  const isList = typeof kind === 'string' && /^(?:[A-Z]\w*)?List$/.test(kind);
  if (!isList || !Array.isArray(items)) return [{ resource: value, path: '' }];
  return items.map((resource: unknown, index) => ({ resource, path: `items[${index}]` }));
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function manifestDocument(file: string, yaml: YamlDocument, { resource, path }: Located<object>): ManifestDocument {
  const inDocument = (field: string): string => (path === '' || field === '' ? path + field : `${path}.${field}`);
  return {
    resource,
    file,
    line: yaml.lineOf(path),
    locate: (error) => ({ ...error, file, line: yaml.lineOf(inDocument(error.path)) }),
  };
}

/** From what a user wrote to a resource that the store may take, or every reason why not. */
import { Type } from 'typebox';
import type { Decoded, FieldError } from '../proxy/common/decoded.ts';
import type { CheckedMetadata } from './checks/check.ts';
import { checkMetadata, metadataSchema, unsupportedMetadata, type WrittenMetadata } from './checks/metadata.ts';
import type { NewResource } from './config-store.ts';
import { didYouMean, Findings, show } from './findings.ts';
import { apiVersionOf, findKind, type Kind, kinds } from './kinds.ts';
import { SchemaValidator } from './schema-errors.ts';
import { record } from './schema.ts';
import { unsupportedFields } from './unsupported.ts';

export interface ValidResource {
  readonly kind: Kind;
  /** In the kind's stored version, whichever version was written. */
  readonly resource: NewResource;
  /** metadata.resourceVersion as written: the version that the writer saw. */
  readonly resourceVersion: string | undefined;
  readonly warnings: readonly FieldError[];
}

/** `status` belongs to the server: it may be sent back and is not stored. */
const envelope = new SchemaValidator(
  record({
    apiVersion: Type.String(),
    kind: Type.String(),
    metadata: metadataSchema,
    spec: Type.Unknown(),
    status: Type.Optional(Type.Unknown()),
  }),
);

interface WrittenResource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: WrittenMetadata;
  readonly spec: unknown;
}

/** Istio's verdict: schema and cross-field checks, without regard to what this version puts in force. */
export function validateResource(written: unknown, defaultNamespace = 'default'): Decoded<ValidResource> {
  const input = withoutNullMetadata(written);
  const kind = decodeKind(input);
  if (kind.errors !== undefined) return kind;
  const { errors, isTyped } = envelope.check(input, '');
  const findings = new Findings();
  findings.errors.push(...errors);
  const { metadata, spec } = input as Partial<WrittenResource>;
  if (isTyped && metadata !== undefined) checkMetadata(metadata, findings);
  const context: CheckedMetadata = {
    name: isTyped ? (metadata?.name ?? '') : '',
    namespace: isTyped ? (metadata?.namespace ?? defaultNamespace) : defaultNamespace,
    labels: isTyped ? (metadata?.labels ?? {}) : {},
    annotations: isTyped ? (metadata?.annotations ?? {}) : {},
  };
  if (spec !== undefined) kind.value.checkSpec(spec, context, findings);
  if (findings.errors.length > 0 || metadata === undefined) return { errors: findings.errors };
  const resource = newResource(kind.value, context, { metadata, spec });
  return {
    value: { kind: kind.value, resource, resourceVersion: metadata.resourceVersion, warnings: findings.warnings },
  };
}

/** `annotations:` with nothing behind it means none, as in Kubernetes. In a spec a null is a fault: it may hide a lost value. */
function withoutNullMetadata(input: unknown): unknown {
  if (typeof input !== 'object' || input === null) return input;
  const metadata: unknown = Reflect.get(input, 'metadata');
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) return input;
  const given = Object.entries(metadata).filter(([, value]) => value !== null);
  return { ...input, metadata: Object.fromEntries(given) };
}

/** What is valid but would be ignored. Takes a resource that passed validateResource, as it was written. */
export function findUnsupported(input: unknown): FieldError[] {
  const { kind, metadata, spec } = input as WrittenResource;
  const inMetadata = unsupportedMetadata
    .filter((field) => (metadata[field] ?? undefined) !== undefined)
    .map((field) => ({ path: `metadata.${field}`, message: 'is not supported yet' }));
  return [...inMetadata, ...unsupportedFields(kind, spec)];
}

function decodeKind(input: unknown): Decoded<Kind> {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    return {
      errors: [
        { path: '', message: `must be a resource with apiVersion, kind, metadata and spec, got ${show(input)}` },
      ],
    };
  }
  const name: unknown = Reflect.get(input, 'kind');
  const apiVersion: unknown = Reflect.get(input, 'apiVersion');
  if (typeof name !== 'string') {
    return {
      errors: [{ path: 'kind', message: name === undefined ? 'is required' : `must be a string, got ${show(name)}` }],
    };
  }
  const kind = findKind(name);
  if (kind === undefined) {
    const known = kinds.map((row) => row.kind);
    const hint = didYouMean(name, known) || `, known are ${known.join(', ')}`;
    return { errors: [{ path: 'kind', message: `unknown kind ${show(name)}${hint}` }] };
  }
  const allowed = kind.versions.map((version) => apiVersionOf(kind, version));
  if (typeof apiVersion === 'string' && allowed.includes(apiVersion)) return { value: kind };
  const got =
    apiVersion === undefined
      ? 'is required'
      : `must be ${allowed.join(' or ')} for kind ${name}, got ${show(apiVersion)}`;
  return { errors: [{ path: 'apiVersion', message: got }] };
}

function newResource(
  kind: Kind,
  { name, namespace }: CheckedMetadata,
  { metadata, spec }: Pick<WrittenResource, 'metadata' | 'spec'>,
): NewResource {
  const { labels, annotations } = metadata;
  return {
    apiVersion: apiVersionOf(kind, kind.versions[0]),
    kind: kind.kind,
    metadata: {
      name,
      namespace,
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    },
    spec,
  };
}

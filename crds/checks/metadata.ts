/** metadata of every kind. Source: kubernetes.io, "Object Names and IDs", "Labels and Selectors", "Annotations". */
import { type Static, Type } from 'typebox';
import { childPath, type Findings, show } from '../findings.ts';
import { labelKeyFault } from '../names.ts';
import { message, optional, string, stringMap, strings } from '../schema.ts';
import { checkLabels } from './labels.ts';

export const metadataSchema = message({
  name: string,
  namespace: string,
  labels: stringMap,
  annotations: stringMap,
  // What a server sets: users send it back with what they got, and the store decides anew.
  uid: string,
  resourceVersion: string,
  generation: Type.Integer(),
  creationTimestamp: string,
  selfLink: string,
  managedFields: Type.Unknown(),
  generateName: string,
  finalizers: strings,
  ownerReferences: optional(Type.Unknown()),
  deletionTimestamp: string,
  deletionGracePeriodSeconds: Type.Integer(),
});

export type WrittenMetadata = Static<typeof metadataSchema>;

/** Lower-case DNS labels joined by dots, at most 253 characters. */
const resourceName = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const namespaceName = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;
const maxAnnotationBytes = 256 * 1024;

export function checkMetadata(metadata: WrittenMetadata, findings: Findings): void {
  const { name = '', namespace = 'default', labels = {}, annotations = {} } = metadata;
  if (name === '') findings.error('metadata.name', 'is required');
  else if (name.length > 253 || !resourceName.test(name)) {
    findings.error('metadata.name', `must be lower-case letters, digits, '-' and '.', at most 253, got ${show(name)}`);
  }
  if (namespace.length > 63 || !namespaceName.test(namespace)) {
    findings.error(
      'metadata.namespace',
      `must be lower-case letters, digits and '-', at most 63, got ${show(namespace)}`,
    );
  }
  checkLabels(labels, 'metadata.labels', findings);
  for (const key of Object.keys(annotations))
    findings.expect(childPath('metadata.annotations', key), labelKeyFault(key));
  const size = Buffer.byteLength(JSON.stringify(annotations));
  if (size > maxAnnotationBytes) findings.error('metadata.annotations', `must be at most 256 KiB, got ${size} bytes`);
}

/** Parts of Kubernetes' object life that this mesh does not have. */
export const unsupportedMetadata = [
  'generateName',
  'finalizers',
  'ownerReferences',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
] as const;

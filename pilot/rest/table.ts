/** Lists as kubectl prints them, when it asks for `as=Table`. Source: k8s.io/apimachinery meta/v1, Table. */
import type { Kind } from '../../crds/kinds.ts';
import { cellOf } from '../../crds/printer-columns.ts';
import type { Resource } from '../../crds/resource.ts';

/** `accept`: the header; kubectl names the Table first, then what it takes otherwise. */
export function wantsTable(accept: string): boolean {
  return accept.split(',').some((type) => /;\s*as=Table\b/.test(type) && /;\s*v=v1\b/.test(type));
}

interface TableContext {
  readonly resourceVersion: string;
  readonly nowMs: number;
}

export function tableOf(resources: readonly Resource[], kind: Kind, { resourceVersion, nowMs }: TableContext): object {
  const name = { name: 'Name', type: 'string', format: 'name', description: 'Name of the resource', priority: 0 };
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { resourceVersion },
    columnDefinitions: [
      name,
      ...kind.printerColumns.map(({ name: heading, type, description, priority }) => ({
        name: heading,
        type,
        format: '',
        description,
        priority,
      })),
    ],
    rows: resources.map((resource) => ({
      cells: [resource.metadata.name, ...kind.printerColumns.map((column) => cellOf(resource, column, nowMs))],
      object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: resource.metadata },
    })),
  };
}

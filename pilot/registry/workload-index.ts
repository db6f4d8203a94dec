/** Finds the workloads of a service without looking at every workload. */
import { clusterHostname, type Service } from '../model/service.ts';
import { isSelected, type Labels, type Workload } from '../model/workload.ts';

export class WorkloadIndex {
  readonly #byService = new Map<string, Workload[]>();
  readonly #byLabel = new Map<string, Workload[]>();

  constructor(workloads: Iterable<Workload>) {
    for (const workload of workloads) {
      const { namespace, service, labels } = workload;
      if (service !== '') append(this.#byService, clusterHostname(service, namespace), workload);
      for (const label of Object.entries(labels)) append(this.#byLabel, labelKey(namespace, label), workload);
    }
  }

  /** Those that name the service, those its selector selects, and those it lists itself; each once, sorted. */
  workloadsOf(service: Service): readonly Workload[] {
    const found = new Set([
      ...(this.#byService.get(service.hostname) ?? []),
      ...this.#selected(service.namespace, service.selector ?? {}),
      ...service.endpoints,
    ]);
    return [...found].sort(byNamespaceAndName);
  }

  #selected(namespace: string, selector: Labels): readonly Workload[] {
    const [first] = Object.entries(selector);
    if (first === undefined) return [];
    const candidates = this.#byLabel.get(labelKey(namespace, first)) ?? [];
    return candidates.filter(({ labels }) => isSelected(labels, selector));
  }
}

function labelKey(namespace: string, [key, value]: [string, string]): string {
  return `${namespace}/${key}=${value}`;
}

function append<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}

/** By code unit, so that the order depends on no locale. */
function byNamespaceAndName(a: Workload, b: Workload): number {
  const [left, right] = [`${a.namespace}/${a.name}`, `${b.namespace}/${b.name}`];
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

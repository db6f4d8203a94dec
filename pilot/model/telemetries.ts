/** Which access logs the listeners of a workload write: Telemetry resources over what MeshConfig says. */
import { accessLogProviders, builtInProvider, type AccessLogProvider } from '../../crds/access-log.ts';
import type { MeshConfig } from '../../crds/mesh-config.ts';
import type { Resource } from '../../crds/resource.ts';
import { type AccessLogging, isNamespaceWide, selectorOf, type TelemetrySpec } from '../../crds/telemetry.ts';
import type { Client } from './client.ts';
import { rootNamespace } from './destination-rules.ts';
import { isSelected } from './workload.ts';

export type Telemetry = Resource<TelemetrySpec>;

/** An outbound listener is its workload as a client, the inbound one as a server. */
export type WorkloadMode = 'CLIENT' | 'SERVER';

export interface ListenerLog {
  readonly provider: AccessLogProvider;
  /** Of a Telemetry, which has accepted it; undefined: every request. */
  readonly expression: string | undefined;
}

/** `accessLogFile` as a provider: entries that name none are about it where no default providers are. */
const meshFile = '';

export class Telemetries {
  /** Labels of workloads that a `selector` asks for. */
  readonly selectorLabels: ReadonlySet<string>;
  /** Oldest first. */
  readonly resources: readonly Telemetry[];
  readonly meshConfig: MeshConfig;
  readonly #providers: Map<string, AccessLogProvider>;
  readonly #defaults: readonly string[];

  /** `resources` come oldest first. */
  constructor(resources: readonly Telemetry[], meshConfig: MeshConfig = {}) {
    this.resources = resources;
    this.meshConfig = meshConfig;
    this.selectorLabels = new Set(resources.flatMap(({ spec }) => Object.keys(selectorOf(spec))));
    this.#providers = accessLogProviders(meshConfig);
    const { accessLogFile: path = '', defaultProviders } = meshConfig;
    if (path !== '') this.#providers.set(meshFile, { name: builtInProvider.name, envoyFileAccessLog: { path } });
    const defaults = namesOf((defaultProviders?.accessLogging ?? []).map((name) => ({ name })));
    this.#defaults = defaults.length > 0 || path === '' ? defaults : [meshFile];
  }

  /** Whether workloads of a namespace may log otherwise than those of others. */
  isAboutNamespace(namespace: string): boolean {
    return this.resources.some(({ metadata }) => metadata.namespace === namespace);
  }

  /** The logs of one listener, sorted by provider. */
  logsOf(client: Client, mode: WorkloadMode): readonly ListenerLog[] {
    const levels = this.levelsOf(client)
      .map(({ spec: { accessLogging = [] } }) => accessLogging.filter((entry) => isOfMode(entry, mode)))
      .filter((entries) => entries.length > 0);
    const named = levels.map((entries) => entries.flatMap(({ providers }) => namesOf(providers)));
    const inScope = named.findLast((names) => names.length > 0) ?? this.#defaults;
    const logs = merge(levels.flat(), this.#defaults, inScope);
    return [...logs].sort(byName).flatMap(([name, { expression, isDisabled }]) => {
      const provider = this.#providers.get(name);
      return isDisabled || provider === undefined ? [] : [{ provider, expression }];
    });
  }

  /** From the widest to the narrowest: of the mesh, of the namespace, of what selects the workload. */
  levelsOf({ namespace, labels = {} }: Client): Telemetry[] {
    const root = namespace === rootNamespace ? undefined : this.#namespaceWide(rootNamespace);
    const selecting = this.resources.filter(
      ({ spec, metadata }) =>
        metadata.namespace === namespace && !isNamespaceWide(spec) && isSelected(labels, selectorOf(spec)),
    );
    return [root, this.#namespaceWide(namespace), ...selecting].filter((level) => level !== undefined);
  }

  #namespaceWide(namespace: string): Telemetry | undefined {
    return this.resources.find(({ spec, metadata }) => metadata.namespace === namespace && isNamespaceWide(spec));
  }
}

interface LogState {
  readonly expression: string | undefined;
  readonly isDisabled: boolean;
}

/**
 * Entries go from wide to narrow. One without providers is about those of the entry before it, and keeps their filter unless
 * it has its own. A provider that is not in scope was named by a wider level only.
 */
function merge(
  entries: readonly AccessLogging[],
  defaults: readonly string[],
  inScope: readonly string[],
): ReadonlyMap<string, LogState> {
  const everything = { expression: undefined, isDisabled: false };
  const logs = new Map<string, LogState>();
  if (entries.length === 0) for (const name of defaults) logs.set(name, everything);
  let inherited = defaults;
  for (const { providers, disabled: isDisabled = false, filter } of entries) {
    const named = namesOf(providers);
    const names = named.length > 0 ? named : inherited;
    inherited = names;
    for (const name of names.filter((each) => inScope.includes(each))) {
      const before = named.length > 0 ? undefined : logs.get(name)?.expression;
      logs.set(name, { expression: filter?.expression || before, isDisabled });
    }
  }
  return logs;
}

function isOfMode({ match }: AccessLogging, mode: WorkloadMode): boolean {
  const { mode: wanted = 'CLIENT_AND_SERVER' } = match ?? {};
  return wanted === 'CLIENT_AND_SERVER' || wanted === mode;
}

/** Names are compared without regard to letter case. */
function namesOf(providers: AccessLogging['providers'] = []): string[] {
  return providers.map(({ name }) => name.toLowerCase());
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

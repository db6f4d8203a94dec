/** The table of kinds: what each is called, what it looks like and what is checked. Every other list is derived from it. */
import type { Static, TSchema } from 'typebox';
import { canarySchema } from './canary.ts';
import { checkCanary } from './checks/canary.ts';
import type { Check, CheckedMetadata } from './checks/check.ts';
import { checkCheckRule } from './checks/check-rule.ts';
import { checkDestinationRule } from './checks/destination-rule.ts';
import { checkGateway } from './checks/gateway.ts';
import { checkRateLimit } from './checks/rate-limit.ts';
import { checkService } from './checks/service.ts';
import { checkServiceEntry } from './checks/service-entry.ts';
import { checkSidecar } from './checks/sidecar.ts';
import { checkTelemetry } from './checks/telemetry.ts';
import { checkVirtualService } from './checks/virtual-service.ts';
import { checkWorkloadEntry } from './checks/workload-entry.ts';
import { checkRuleSchema } from './check-rule.ts';
import { destinationRuleSchema } from './destination-rule.ts';
import type { Findings } from './findings.ts';
import { gatewaySchema } from './gateway.ts';
import { rateLimitSchema } from './rate-limit.ts';
import { SchemaValidator } from './schema-errors.ts';
import { serviceSchema } from './service.ts';
import { serviceEntrySchema } from './service-entry.ts';
import { sidecarSchema } from './sidecar.ts';
import { telemetrySchema } from './telemetry.ts';
import { virtualServiceSchema } from './virtual-service.ts';
import { workloadEntrySchema } from './workload-entry.ts';

/** A column of `get`, as CustomResourceDefinition's additionalPrinterColumns has it. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'date';
  /** Kubernetes' simple JSON path: `.spec.hosts`. */
  readonly jsonPath: string;
  readonly description: string;
  /** 0: always shown; 1: only with `-o wide`. */
  readonly priority: 0 | 1;
}

interface KindNames {
  readonly kind: string;
  /** Empty for Kubernetes' core group. */
  readonly group: string;
  /** All are the same schema; the first is preferred and stored. */
  readonly versions: readonly [string, ...string[]];
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly printerColumns: readonly PrinterColumn[];
}

export interface Kind extends KindNames {
  readonly schema: TSchema;
  /** Istio's own validation: the schema, then what relates fields. Paths start with `spec`. */
  checkSpec(spec: unknown, metadata: CheckedMetadata, findings: Findings): void;
}

function defineKind<S extends TSchema>(names: KindNames, schema: S, check: Check<Static<S>>): Kind {
  const validator = new SchemaValidator(schema);
  return {
    ...names,
    schema,
    checkSpec(spec, metadata, findings) {
      const { errors, isTyped } = validator.check(spec, 'spec');
      findings.errors.push(...errors);
      if (isTyped) check(spec as Static<S>, metadata, findings);
    },
  };
}

function column(name: string, jsonPath: string, description: string, priority: 0 | 1 = 0): PrinterColumn {
  return { name, type: 'string', jsonPath, description, priority };
}

const age: PrinterColumn = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'Time since the resource was created',
  priority: 0,
};

const networking = { group: 'networking.istio.io', versions: ['v1', 'v1beta1', 'v1alpha3'] } as const;

export const kinds: readonly Kind[] = [
  defineKind(
    {
      ...networking,
      kind: 'VirtualService',
      plural: 'virtualservices',
      shortNames: ['vs'],
      printerColumns: [
        column('Gateways', '.spec.gateways', 'The gateways that the routes apply to'),
        column('Hosts', '.spec.hosts', 'The hosts to which traffic is sent'),
        age,
      ],
    },
    virtualServiceSchema,
    checkVirtualService,
  ),
  defineKind(
    {
      ...networking,
      kind: 'DestinationRule',
      plural: 'destinationrules',
      shortNames: ['dr'],
      printerColumns: [column('Host', '.spec.host', 'The host that the rule is about'), age],
    },
    destinationRuleSchema,
    checkDestinationRule,
  ),
  defineKind(
    {
      ...networking,
      kind: 'ServiceEntry',
      plural: 'serviceentries',
      shortNames: ['se'],
      printerColumns: [
        column('Hosts', '.spec.hosts', 'The hosts of the service'),
        column('Location', '.spec.location', 'Whether the service is part of the mesh'),
        column('Resolution', '.spec.resolution', 'How endpoints are found'),
        age,
      ],
    },
    serviceEntrySchema,
    checkServiceEntry,
  ),
  defineKind(
    {
      ...networking,
      kind: 'Gateway',
      plural: 'gateways',
      shortNames: ['gw'],
      printerColumns: [column('Selector', '.spec.selector', 'The labels of the proxies that it is for', 1), age],
    },
    gatewaySchema,
    checkGateway,
  ),
  defineKind(
    {
      ...networking,
      kind: 'Sidecar',
      plural: 'sidecars',
      shortNames: [],
      printerColumns: [age],
    },
    sidecarSchema,
    checkSidecar,
  ),
  defineKind(
    {
      ...networking,
      kind: 'WorkloadEntry',
      plural: 'workloadentries',
      shortNames: ['we'],
      printerColumns: [age, column('Address', '.spec.address', 'The address of the workload')],
    },
    workloadEntrySchema,
    checkWorkloadEntry,
  ),
  defineKind(
    {
      group: 'networking.heddle.dev',
      versions: ['v1alpha1'],
      kind: 'RateLimit',
      plural: 'ratelimits',
      shortNames: ['rl'],
      printerColumns: [
        column('Host', '.spec.host', 'The host to which the requests go'),
        column('Requests', '.spec.requests', 'How many requests each sidecar may send per interval'),
        column('Interval', '.spec.interval', 'How often tokens come back'),
        column('Mode', '.spec.mode', 'Whether requests over the limit are refused, or only counted'),
        age,
      ],
    },
    rateLimitSchema,
    checkRateLimit,
  ),
  defineKind(
    {
      group: 'networking.heddle.dev',
      versions: ['v1alpha1'],
      kind: 'Canary',
      plural: 'canaries',
      shortNames: ['cnr'],
      printerColumns: [
        column('Status', '.status.phase', 'The phase of the release'),
        column('Weight', '.status.canaryWeight', 'Percent of the requests that the canary gets'),
        column('Step', '.status.step', 'The step in force, from 0', 1),
        column('Message', '.status.conditions[*].message', 'What it waits for, or how it ended', 1),
        age,
      ],
    },
    canarySchema,
    checkCanary,
  ),
  defineKind(
    {
      group: 'networking.heddle.dev',
      versions: ['v1alpha1'],
      kind: 'CheckRule',
      plural: 'checkrules',
      shortNames: ['chk'],
      printerColumns: [
        column('Host', '.spec.host', 'The service whose workloads enforce the rule'),
        column('Action', '.spec.action', 'What becomes of the requests that the rule is about'),
        column('Mode', '.spec.mode', 'Whether requests are refused, or only counted'),
        age,
      ],
    },
    checkRuleSchema,
    checkCheckRule,
  ),
  defineKind(
    {
      group: 'telemetry.istio.io',
      versions: ['v1', 'v1alpha1'],
      kind: 'Telemetry',
      plural: 'telemetries',
      shortNames: [],
      printerColumns: [age],
    },
    telemetrySchema,
    checkTelemetry,
  ),
  defineKind(
    {
      kind: 'Service',
      group: '',
      versions: ['v1'],
      plural: 'services',
      shortNames: ['svc'],
      printerColumns: [
        column('Type', '.spec.type', 'How the service is reached'),
        column('Cluster-IP', '.spec.clusterIP', 'The address of the service'),
        column('Port(s)', '.spec.ports[*].port', 'The ports of the service'),
        age,
        column('Selector', '.spec.selector', 'The labels of its workloads', 1),
      ],
    },
    serviceSchema,
    checkService,
  ),
];

/** `networking.istio.io/v1`, or `v1` in the core group. */
export function apiVersionOf({ group }: Pick<Kind, 'group'>, version: string): string {
  return group === '' ? version : `${group}/${version}`;
}

export function findKind(kind: string): Kind | undefined {
  return kinds.find((row) => row.kind === kind);
}

/** By anything a user may type: kind, plural, singular or short name, in any letter case, with or without `.group`. */
export function findKindByAnyName(name: string): Kind | undefined {
  const [word = '', ...groupParts] = name.toLowerCase().split('.');
  const group = groupParts.join('.');
  return kinds.find(
    (row) =>
      (group === '' || row.group === group) && [row.kind.toLowerCase(), row.plural, ...row.shortNames].includes(word),
  );
}

/**
 * CheckRule: which requests a workload answers. Heddle's own kind, with the words of Istio's AuthorizationPolicy where they
 * mean the same; it also knows lists that are kept elsewhere, and needs no certificates to know workloads.
 */
import { Type, type Static } from 'typebox';
import * as s from './schema.ts';

const stringMatch = s.message({ exact: s.string, prefix: s.string, regex: s.string });

/** In the order of CEL, where Sunday is 0. */
export const weekdays = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'] as const;

function strings(description: string) {
  return Type.Array(Type.String(), { description });
}

/** All that are given hold at once. */
const source = s.message({
  namespaces: strings('Workloads of these namespaces, known by their addresses.'),
  services: strings('Workloads of these services, known by their addresses.'),
  labels: Type.Record(Type.String(), Type.String(), {
    description: 'Workloads that have all these labels, known by their addresses.',
  }),
  ipBlocks: strings('Addresses and CIDR blocks of who connected.'),
  notIpBlocks: strings('Not from these.'),
  remoteIpBlocks: strings('Addresses and CIDR blocks of the client, which trusted proxies tell.'),
  notRemoteIpBlocks: strings('Not from these.'),
});

const list = s.record({
  attribute: Type.String({
    description: 'What is looked up: source.ip, remote.ip, method, path or header:NAME with the name in lower case.',
  }),
  not: s.optional(Type.Boolean({ description: 'Holds for what is not in the list.' })),
  values: s.optional(strings('What is in the list; for addresses also CIDR blocks.')),
  file: s.optional(Type.String({ description: "Name of a file in pilot's folder of lists, a value a line." })),
  url: s.optional(Type.String({ description: 'Where pilot reads the list, a value a line or a JSON array.' })),
  refreshInterval: s.optional(
    Type.String({ description: 'Between two readings of file or url; default 60s, at least 1s.' }),
  ),
});

/** All that are given hold at once. */
const time = s.message({
  notBefore: Type.String({ description: 'From this moment on, such as 2026-01-31T18:00:00+01:00.' }),
  notAfter: Type.String({ description: 'Up to this moment.' }),
  days: Type.Array(s.oneOf(...weekdays), {
    description: 'On these days of the week.',
  }),
  from: Type.String({ description: 'From this time of the day on, HH:MM; default 00:00.' }),
  to: Type.String({
    description: 'Up to this time of the day; default 24:00. Before from: of the next day, whichever that is.',
  }),
  timeZone: Type.String({ description: 'Of days, from and to, such as Europe/Berlin; default UTC.' }),
});

/** All that are given hold at once. */
const match = s.message({
  source,
  time,
  ports: Type.Array(s.port, { description: "The application's ports, or the gateway's." }),
  methods: strings('GET, POST and so on.'),
  paths: Type.Array(stringMatch, { description: 'Without the query.' }),
  headers: s.mapOf(stringMatch),
  withoutHeaders: s.mapOf(stringMatch),
  lists: s.listOf(list),
});

const denyWith = s.message({
  status: Type.Integer({ minimum: 300, maximum: 599, description: 'Default 403.' }),
  message: Type.String({ description: 'Body of the answer, in gRPC the message of its status; default empty.' }),
  headers: Type.Record(Type.String(), Type.String(), {
    description: 'Of the answer, such as content-type or location.',
  }),
});

export const checkRuleSchema = Type.Object(
  {
    host: s.optional(Type.String({ description: 'The rule is for all workloads of this service.' })),
    selector: s.optional(s.message({ matchLabels: s.stringMap })),
    action: Type.Enum(['ALLOW', 'DENY', 'CUSTOM'], {
      description:
        'CUSTOM asks a provider after the others; DENY rules come first; where there are ALLOW rules one of them must match.',
    }),
    match: s.optional(Type.Array(match, { description: 'One of these must hold; default every request.' })),
    denyWith: s.optional(denyWith),
    provider: s.optional(
      Type.String({ description: "Of CUSTOM: the name of one of the mesh configuration's extensionProviders." }),
    ),
    mode: s.optional(s.oneOf('ENFORCE', 'SHADOW')),
  },
  { additionalProperties: false, description: 'Which requests workloads and gateways answer.' },
);

export type CheckRuleSpec = Static<typeof checkRuleSchema>;
export type CheckMatch = Static<typeof match>;
export type CheckTime = Static<typeof time>;
export type DenyWith = Static<typeof denyWith>;
export type CheckSource = Static<typeof source>;
export type CheckList = Static<typeof list>;

/** Values of a list, its own and those that are read; what would be more is refused. */
export const maxListValues = 10_000;

/** The name of the header that a list is about; undefined for other attributes. */
export function listedHeader({ attribute }: CheckList): string | undefined {
  return attribute.startsWith('header:') ? attribute.slice('header:'.length) : undefined;
}

/** Whether it asks for what only requests have: it is never about a connection. */
export function isOfRequests({ methods, paths, headers, withoutHeaders, lists = [] }: CheckMatch): boolean {
  const isOf = [methods, paths, headers, withoutHeaders].some((condition) => condition !== undefined);
  return isOf || lists.some((list) => !isListOfAddresses(list));
}

export function isListOfAddresses({ attribute }: CheckList): boolean {
  return attribute === 'source.ip' || attribute === 'remote.ip';
}

/** What is wrong with one value of the list; undefined: nothing. */
export function listValueFault(list: CheckList, value: string, addressFault: AddressFault): string | undefined {
  if (isListOfAddresses(list)) return addressFault(value);
  // eslint-disable-next-line no-control-regex
  return value !== '' && value.length <= 1024 && !/[\u0000-\u001f\u007f]/.test(value)
    ? undefined
    : 'must be one line of 1 to 1024 characters';
}

type AddressFault = (value: string) => string | undefined;

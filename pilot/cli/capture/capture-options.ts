/** What `heddle capture` is asked for: Istio's `traffic.sidecar.istio.io` annotations, as flags. */
import { isIP, isIPv4 } from 'node:net';
import { InvalidArgumentError } from 'commander';
import { parsePort } from '../option-parsers.ts';

export const interceptionModes = ['REDIRECT', 'TPROXY'] as const;
export type InterceptionMode = (typeof interceptionModes)[number];

/** `*`: all of them. */
export type AllOr<T> = '*' | readonly T[];

/** An address range as its user wrote it. */
export interface IpRange {
  readonly family: 'ip' | 'ip6';
  readonly cidr: string;
  readonly isLoopback: boolean;
}

export interface CaptureOptions {
  readonly includeInboundPorts: AllOr<number>;
  /** Beside the proxy's own ports; has no meaning but with all inbound ports included. */
  readonly excludeInboundPorts: readonly number[];
  readonly includeOutboundIpRanges: AllOr<IpRange>;
  readonly excludeOutboundIpRanges: readonly IpRange[];
  /** Captured whatever the destination's address. */
  readonly includeOutboundPorts: readonly number[];
  readonly excludeOutboundPorts: readonly number[];
  readonly excludeInterfaces: readonly string[];
  /** Whose traffic is the proxy's own. */
  readonly proxyUid: readonly number[];
  readonly proxyGid: readonly number[];
  readonly inboundPort: number;
  readonly outboundPort: number;
  readonly interceptionMode: InterceptionMode;
  readonly redirectDns: boolean;
  readonly dnsPort: number;
}

/** Metrics, health and merged statistics: asked by others than callers of the application (Istio's defaults). */
export const proxyPorts: readonly number[] = [15_020, 15_021, 15_090];

/** Defaults are Istio's. */
export const defaultCaptureOptions: CaptureOptions = {
  includeInboundPorts: '*',
  excludeInboundPorts: [],
  includeOutboundIpRanges: '*',
  excludeOutboundIpRanges: [],
  includeOutboundPorts: [],
  excludeOutboundPorts: [],
  excludeInterfaces: [],
  proxyUid: [1337],
  proxyGid: [1337],
  inboundPort: 15_006,
  outboundPort: 15_001,
  interceptionMode: 'REDIRECT',
  redirectDns: false,
  dnsPort: 15_053,
};

/** What the flags contradict each other in, as one sentence that names them; undefined when they do not. */
export function findContradiction(options: CaptureOptions): string | undefined {
  const { inboundPort, outboundPort, dnsPort, redirectDns } = options;
  if (inboundPort === outboundPort) {
    return `--inbound-port and --outbound-port must differ, both are ${inboundPort}`;
  }
  if (redirectDns && (dnsPort === inboundPort || dnsPort === outboundPort)) {
    return `--dns-port must differ from --inbound-port and --outbound-port, got ${dnsPort} twice`;
  }
  return (
    findInBoth('inbound', options.includeInboundPorts, options.excludeInboundPorts) ??
    findInBoth('outbound', options.includeOutboundPorts, options.excludeOutboundPorts)
  );
}

function findInBoth(direction: string, included: AllOr<number>, excluded: readonly number[]): string | undefined {
  const port = included === '*' ? undefined : included.find((port) => excluded.includes(port));
  if (port === undefined) return undefined;
  return `port ${port} stands in both --include-${direction}-ports and --exclude-${direction}-ports; one of them is expected`;
}

/** `80,443`; empty for none. */
export function parsePorts(text: string): number[] {
  return splitList(text).map((item) => {
    try {
      return parsePort(item);
    } catch {
      throw new InvalidArgumentError(`"${item}" is no port; ports from 1 to 65535, separated by commas, are expected.`);
    }
  });
}

/** `*`, or as `parsePorts`. */
export function parseAllOrPorts(text: string): AllOr<number> {
  return text === '*' ? text : parsePorts(text);
}

/** `10.0.0.0/8,2001:db8::/32`; empty for none. */
export function parseIpRanges(text: string): IpRange[] {
  return splitList(text).map(parseIpRange);
}

/** `*`, or as `parseIpRanges`. */
export function parseAllOrIpRanges(text: string): AllOr<IpRange> {
  return text === '*' ? text : parseIpRanges(text);
}

function parseIpRange(item: string): IpRange {
  const [, address = '', length = ''] = /^([^/%]+)\/(\d{1,3})$/.exec(item) ?? [];
  const maxLength = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  if (length === '' || Number(length) > maxLength) {
    throw new InvalidArgumentError(
      `"${item}" is no address range; ADDRESS/LENGTH as 10.0.0.0/8 or 2001:db8::/32, separated by commas, is expected.`,
    );
  }
  const isLoopback = isIPv4(address) ? address.startsWith('127.') : /^[0:]*:0*1$/.test(address);
  return { family: isIPv4(address) ? 'ip' : 'ip6', cidr: `${address}/${Number(length)}`, isLoopback };
}

/** Names that Linux allows, without what `nft` takes for a pattern. */
export function parseInterfaces(text: string): string[] {
  return splitList(text).map((item) => {
    if (/^[\w.:@-]{1,15}$/.test(item) && item !== '.' && item !== '..') return item;
    throw new InvalidArgumentError(
      `"${item}" is no interface; names of at most 15 letters, digits and ". : @ _ -", separated by commas, are expected.`,
    );
  });
}

/** The last number stands for "nobody". */
const maxId = 2 ** 32 - 2;

/** Ids of users or groups, at least one: without, the proxy's own calls would be led back to it for ever. */
export function parseIds(text: string): number[] {
  const items = splitList(text);
  if (items.length > 0 && items.every((item) => /^\d{1,10}$/.test(item) && Number(item) <= maxId)) {
    return items.map(Number);
  }
  throw new InvalidArgumentError(`One or more numbers from 0 to ${maxId}, separated by commas, are expected.`);
}

/** Blanks around the items and no items at all are fine, as in annotations; an item that is empty is not. */
function splitList(text: string): string[] {
  return text.trim() === '' ? [] : text.split(',').map((item) => item.trim());
}

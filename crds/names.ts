/** The grammars of names: DNS labels and domains, labels, headers, addresses. Each function returns the fault or undefined. */
import { isIP, isIPv4 } from 'node:net';
import { show } from './findings.ts';

const label = '[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?';
const dnsLabel = new RegExp(`^${label}$`);
const wildcardDnsLabel = new RegExp(`^(?:\\*|(?:\\*-?)?${label})$`);
const labelKey = new RegExp(`^(?:(${label}(?:\\.${label})*)/)?([A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)$`);
const labelValue = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
/** RFC 9110 section 5.6.2, token. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** RFC 1123 label: at most 63 letters, digits and hyphens. */
export function isDnsLabel(text: string): boolean {
  return text.length <= 63 && dnsLabel.test(text);
}

export function dnsLabelFault(text: string): string | undefined {
  if (isDnsLabel(text)) return undefined;
  return `must be a DNS label (letters, digits and hyphens, at most 63 characters), got ${show(text)}`;
}

/** Dot-separated labels; the last one may be empty (`istio.io.`) but not a number. */
export function domainFault(domain: string): string | undefined {
  const length = domainLengthFault(domain);
  if (length !== undefined) return length;
  const labels = domain.split('.');
  const last = labels.at(-1) ?? '';
  if (/^[+-]?\d+$/.test(last)) return `must be a domain name, got ${show(domain)} whose last label is a number`;
  const bad = labels.find((part, index) => !isDnsLabel(part) && !(part === '' && index === labels.length - 1));
  return bad === undefined
    ? undefined
    : `must be a domain name, got ${show(domain)} with the invalid label ${show(bad)}`;
}

/** A domain whose first label may be `*`, `*-name` or `*name`. */
export function wildcardDomainFault(domain: string): string | undefined {
  const length = domainLengthFault(domain);
  if (length !== undefined) return length;
  const dot = domain.indexOf('.');
  const first = dot < 0 ? domain : domain.slice(0, dot);
  if (first.length > 63 || !wildcardDnsLabel.test(first)) {
    return `must be a domain name or a wildcard prefix, got ${show(domain)} with the invalid label ${show(first)}`;
  }
  return dot < 0 ? undefined : domainFault(domain.slice(dot + 1));
}

function domainLengthFault(domain: string): string | undefined {
  if (domain === '') return 'must not be empty';
  return domain.length > 255 ? `must be at most 255 characters, got ${domain.length}` : undefined;
}

export function isIpAddress(text: string): boolean {
  return isIP(text) !== 0;
}

/** An IP address or a CIDR block. */
export function subnetFault(text: string): string | undefined {
  const [address = '', prefix, ...rest] = text.split('/');
  if (prefix === undefined && isIpAddress(address)) return undefined;
  const maxPrefix = isIPv4(address) ? 32 : 128;
  const isBlock = isIpAddress(address) && !address.includes('%') && /^(?:0|[1-9]\d{0,2})$/.test(prefix ?? '');
  if (isBlock && rest.length === 0 && Number(prefix) <= maxPrefix) return undefined;
  return `must be an IP address or a CIDR block, got ${show(text)}`;
}

export function portFault(port: number): string | undefined {
  return port >= 1 && port <= 65_535 ? undefined : `must be between 1 and 65535, got ${port}`;
}

export function labelKeyFault(key: string): string | undefined {
  const match = labelKey.exec(key);
  const [, prefix = '', name = ''] = match ?? [];
  if (match !== null && prefix.length <= 253 && name.length <= 63) return undefined;
  return `must be a label key such as app or example.com/app, got ${show(key)}`;
}

export function labelValueFault(value: string): string | undefined {
  if (labelValue.test(value)) return undefined;
  return `must be a label value (letters, digits, '-', '_' and '.'), got ${show(value)}`;
}

export function headerNameFault(name: string): string | undefined {
  if (name === '') return 'header name must not be empty';
  return token.test(name) ? undefined : `must be a header name, got ${show(name)}`;
}

/** Parsers of option values. A wrong value is a usage error that says what was expected and what came. */
import { isIP } from 'node:net';
import { InvalidArgumentError } from 'commander';
import type { NodeLocality } from '../../proxy/api/node.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** 1 to 65535. */
export function parsePort(text: string): number {
  return parsePortFrom(1, text);
}

/** A repeatable port: `previous` are those given before. */
export function parsePorts(text: string, previous: readonly number[]): readonly number[] {
  return [...previous, parsePort(text)];
}

/** 0 to 65535; 0 lets the system choose. */
export function parseListenPort(text: string): number {
  return parsePortFrom(0, text);
}

function parsePortFrom(first: number, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port >= first && port <= 65_535) return port;
  throw new InvalidArgumentError(`A port from ${first} to 65535 is expected.`);
}

/** A whole number from 0 to `max`. */
export function parseCount(text: string, max: number): number {
  const count = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (count <= max) return count;
  throw new InvalidArgumentError(`A number from 0 to ${max} is expected.`);
}

/** `HOST:PORT`, with brackets around an IPv6 address. */
export function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([\da-fA-F:]+)\]|([^:[\]]+)):(\d+)$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined) throw new InvalidArgumentError('HOST:PORT is expected, for example 127.0.0.1:15010.');
  return { host, port: parsePort(match?.[3] ?? '') };
}

/** `k=v,k=v` with the syntax of Kubernetes labels. */
export function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const pair of text.split(',')) {
    const match = /^([A-Za-z0-9][\w./-]*)=([\w.-]{0,63})$/.exec(pair);
    if (match === null) throw new InvalidArgumentError(`"${pair}" is no label; k=v,k=v is expected.`);
    labels[match[1] ?? ''] = match[2] ?? '';
  }
  return labels;
}

/** `REGION/ZONE/SUBZONE`, shortened from the right. */
export function parseLocality(text: string): NodeLocality {
  if (!/^[\w.-]+(?:\/[\w.-]+){0,2}$/.test(text)) {
    throw new InvalidArgumentError('REGION/ZONE/SUBZONE is expected, or a part of it from the left.');
  }
  const [region = '', zone = '', subZone = ''] = text.split('/');
  return { region, zone, subZone };
}

/** Whole or decimal seconds >= 0, as milliseconds. */
export function parseSeconds(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError('A number of seconds is expected.');
  return Number(text) * 1000;
}

/** Seconds above 0, at most a day, as milliseconds. */
export function parseKeepalive(text: string): number {
  const ms = parseSeconds(text);
  if (ms < 1 || ms > 86_400_000) throw new InvalidArgumentError('Seconds from 0.001 to 86400 are expected.');
  return ms;
}

/** A DNS label: names of services and namespaces. */
export function parseName(text: string): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text)) {
    throw new InvalidArgumentError('Lower-case letters, digits and "-" are expected, at most 63.');
  }
  return text;
}

/** Value of a Kubernetes label. */
export function parseLabelValue(text: string): string {
  if (!/^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/.test(text)) {
    throw new InvalidArgumentError('Letters, digits, "-", "_" and "." are expected, at most 63.');
  }
  return text;
}

/** A literal IP address: endpoints are never resolved. */
export function parseAddress(text: string): string {
  if (isIP(text) === 0) throw new InvalidArgumentError('An IP address is expected.');
  return text;
}

/** Address of pilot's API, without a trailing slash. */
export function parseServer(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new InvalidArgumentError('A URL is expected, for example http://127.0.0.1:15080.');
  }
  return url.href.replace(/\/+$/, '');
}

/** Reads the metadata of a node, key by key, and keeps every fault with its path. */
import type { FieldError } from '../common/decoded.ts';
import { fieldPath, show } from './field-path.ts';
import { type DnsCapture, defaultDnsPort } from './dns-capture.ts';
import { type Interception, interceptionModes, isIntercepted } from './interception.ts';

/** More hops than any request takes. */
const maxTrustedProxies = 1000;

export class MetadataReader {
  readonly errors: FieldError[] = [];
  readonly #metadata: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(metadata: Readonly<Record<string, unknown>>, path: string) {
    this.#metadata = metadata;
    this.#path = path;
  }

  text(key: string, defaultValue: string): string {
    const value = this.#metadata[key];
    if (value === undefined || value === '') return defaultValue;
    if (typeof value === 'string') return value;
    this.#fail(key, `must be a string, got ${show(value)}`);
    return defaultValue;
  }

  /** A number, or its decimal form: Istio writes ports as strings. */
  port(key: string): number {
    const value = this.#metadata[key] ?? 0;
    const port = portOf(value);
    if (port !== undefined) return port;
    this.#fail(key, `must be a port from 0 to 65535, got ${show(value)}`);
    return 0;
  }

  /** Undefined where it is not said. */
  choice<T extends string>(key: string, choices: readonly T[]): T | undefined {
    const value = this.#metadata[key];
    const chosen = choices.find((choice) => choice === value);
    if (chosen === undefined && value !== undefined && value !== '') {
      this.#fail(key, `must be one of ${choices.join(', ')}, got ${show(value)}`);
    }
    return chosen;
  }

  /** Nothing where connections are not intercepted. */
  interception(): Interception {
    const value = this.#metadata['INTERCEPTION_MODE'] ?? 'NONE';
    const interceptionMode = interceptionModes.find((mode) => mode === value);
    if (interceptionMode === undefined) {
      this.#fail('INTERCEPTION_MODE', `must be one of ${interceptionModes.join(', ')}, got ${show(value)}`);
      return {};
    }
    return isIntercepted({ interceptionMode }) ? { interceptionMode, ...this.#appPorts() } : {};
  }

  #appPorts(): Interception {
    const value = this.#metadata['APP_PORTS'];
    if (value === undefined) return {};
    const entries: readonly unknown[] = Array.isArray(value) ? value : [];
    const appPorts = entries.flatMap((entry) => portOf(entry) || []);
    if (appPorts.length > 0 && appPorts.length === entries.length) return { appPorts };
    this.#fail('APP_PORTS', `must be a list of ports from 1 to 65535, got ${show(value)}`);
    return {};
  }

  /** Nothing where DNS is left alone. Istio writes truth as a string. */
  dnsCapture(): DnsCapture {
    const value = this.#metadata['DNS_CAPTURE'] ?? false;
    const isCapturing = value === true || value === 'true';
    if (!isCapturing && value !== false && value !== 'false') {
      this.#fail('DNS_CAPTURE', `must be true or false, got ${show(value)}`);
    }
    return isCapturing ? { dnsPort: this.port('DNS_PORT') || defaultDnsPort } : {};
  }

  labels(): Readonly<Record<string, string>> {
    const labels = this.#metadata['LABELS'] ?? {};
    if (typeof labels !== 'object' || labels === null || Array.isArray(labels)) {
      this.#fail('LABELS', `must be an object, got ${show(labels)}`);
      return {};
    }
    const entries = Object.entries(labels);
    for (const [label, value] of entries) {
      if (typeof value !== 'string') this.#fail(fieldPath('LABELS', label), `must be a string, got ${show(value)}`);
    }
    return Object.fromEntries(entries.map(([label, value]) => [label, String(value)]));
  }

  trustedProxies(): number {
    const config = this.#metadata['PROXY_CONFIG'];
    const topology = isRecord(config) ? config['gatewayTopology'] : undefined;
    const value = (isRecord(topology) ? topology['numTrustedProxies'] : undefined) ?? 0;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= maxTrustedProxies) return value;
    const range = `must be from 0 to ${maxTrustedProxies}, got ${show(value)}`;
    this.#fail('PROXY_CONFIG.gatewayTopology.numTrustedProxies', range);
    return 0;
  }

  readinessProbe(): { readonly tcpPort: number | undefined } | undefined {
    const config = this.#metadata['PROXY_CONFIG'];
    const probe = isRecord(config) ? config['readinessProbe'] : undefined;
    return isRecord(probe) ? { tcpPort: soleTcpPort(probe) } : undefined;
  }

  #fail(key: string, message: string): void {
    this.errors.push({ path: `${this.#path}.${key}`, message });
  }
}

/** Undefined when it is none. */
function portOf(value: unknown): number | undefined {
  const port = typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : value;
  return typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= 65_535 ? port : undefined;
}

/** A threshold or a period beside the port is another form: it would have no effect here. */
function soleTcpPort({ tcpSocket, ...others }: Readonly<Record<string, unknown>>): number | undefined {
  if (!isRecord(tcpSocket) || Object.keys(others).length > 0) return undefined;
  const { port, ...options } = tcpSocket;
  const isPort = typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535;
  return isPort && Object.keys(options).length === 0 ? port : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** MeshConfig's providers of telemetry: their names, and what each kind of them looks like. */
import type { Static } from 'typebox';
import {
  checkAccessLogService,
  checkFileAccessLog,
  fileAccessLog,
  httpAccessLogService,
  tcpAccessLogService,
} from './access-log.ts';
import { authorizationService, checkAuthorizationService } from './authorization-provider.ts';
import { type Findings, show } from './findings.ts';
import { checkOpenTelemetry, openTelemetryProvider } from './mesh-tracing.ts';
import * as s from './schema.ts';

/** Each is of one kind. `envoy`, which logs to /dev/stdout, is there by itself. */
export const extensionProviders = s.listOf(
  s.record({
    /** How `defaultProviders` and Telemetry refer to it. */
    name: s.string,
    opentelemetry: s.optional(openTelemetryProvider),
    envoyFileAccessLog: s.optional(fileAccessLog),
    envoyHttpAls: s.optional(httpAccessLogService),
    envoyTcpAls: s.optional(tcpAccessLogService),
    envoyExtAuthzGrpc: s.optional(authorizationService),
  }),
);

type ExtensionProvider = NonNullable<Static<typeof extensionProviders>>[number];

export const defaultProviders = s.message({ tracing: s.strings, accessLogging: s.strings });

export function checkExtensionProviders(
  providers: Static<typeof extensionProviders> | undefined,
  findings: Findings,
): void {
  const names = new Set<string>();
  for (const [index, provider] of (providers ?? []).entries()) {
    const { name } = provider;
    const path = `extensionProviders[${index}]`;
    const key = name.toLowerCase();
    if (name === '') findings.error(`${path}.name`, 'must not be empty');
    if (names.has(key)) findings.error(`${path}.name`, `must be unique, got ${show(name)} again`);
    names.add(key);
    const { opentelemetry, envoyFileAccessLog, envoyHttpAls, envoyTcpAls, envoyExtAuthzGrpc } = provider;
    const all = [opentelemetry, envoyFileAccessLog, envoyHttpAls, envoyTcpAls, envoyExtAuthzGrpc];
    if (all.filter((kind) => kind !== undefined).length !== 1) {
      findings.error(
        path,
        'must have one of opentelemetry, envoyFileAccessLog, envoyHttpAls, envoyTcpAls and envoyExtAuthzGrpc',
      );
    }
    checkKinds(provider, path, findings);
  }
}

function checkKinds(
  { opentelemetry, envoyFileAccessLog, envoyHttpAls, envoyTcpAls, envoyExtAuthzGrpc }: ExtensionProvider,
  path: string,
  findings: Findings,
): void {
  if (opentelemetry !== undefined) checkOpenTelemetry(opentelemetry, `${path}.opentelemetry`, findings);
  if (envoyFileAccessLog !== undefined) checkFileAccessLog(envoyFileAccessLog, `${path}.envoyFileAccessLog`, findings);
  if (envoyHttpAls !== undefined) checkAccessLogService(envoyHttpAls, `${path}.envoyHttpAls`, findings);
  if (envoyExtAuthzGrpc !== undefined) {
    checkAuthorizationService(envoyExtAuthzGrpc, `${path}.envoyExtAuthzGrpc`, findings);
  }
  if (envoyTcpAls !== undefined) checkAccessLogService(envoyTcpAls, `${path}.envoyTcpAls`, findings);
}

/**
 * Istio's MeshConfig: what holds in the whole mesh where no resource says otherwise. It is a file of its own, not a
 * resource. Source: istio/api mesh/v1alpha1/config.proto. Only fields that are in force stand in the schema: all others
 * are refused by name.
 */
import type { Static } from 'typebox';
import { accessLogFields, checkAccessLogs } from './access-log.ts';
import { checkRetries } from './checks/http-actions.ts';
import { checkLocality } from './checks/load-balancer.ts';
import { durationFault } from './duration.ts';
import { checkExtensionProviders, defaultProviders, extensionProviders } from './extension-providers.ts';
import { Findings } from './findings.ts';
import { SchemaValidator } from './schema-errors.ts';
import { checkMeshTracing, defaultConfig } from './mesh-tracing.ts';
import * as s from './schema.ts';
import { outboundTrafficPolicy } from './sidecar.ts';
import { localityLbSetting } from './traffic-policy.ts';
import { httpRetry } from './virtual-service.ts';
import type { ManifestError } from './manifest.ts';
import { parseYaml } from './yaml-document.ts';

const meshConfigSchema = s.message({
  /** Of routes whose rule has no `retries`; default 2 attempts after `connect-failure,refused-stream`. */
  defaultHttpRetryPolicy: httpRetry,
  /** Of clusters whose DestinationRule has none; default 10 s. */
  connectTimeout: s.duration,
  /** Of ports declared HTTP whose DestinationRule has none: sidecars call them in HTTP/2; default DO_NOT_UPGRADE. */
  h2UpgradePolicy: s.oneOf('DO_NOT_UPGRADE', 'UPGRADE'),
  /** Of clusters whose DestinationRule has none; default enabled, which counts with outlier detection (D7). */
  localityLbSetting,
  /** False: nothing is traced, whatever `defaultProviders.tracing` says; default true. */
  enableTracing: s.boolean,
  ...accessLogFields,
  extensionProviders,
  defaultProviders,
  defaultConfig,
  /** Of requests for hosts that nobody declared, where no Sidecar says otherwise; default ALLOW_ANY. */
  outboundTrafficPolicy,
  /** Until names of ServiceEntries are looked up again, where their answers have no time to live; default 60 s. */
  dnsRefreshRate: s.duration,
});

export type MeshConfig = Static<typeof meshConfigSchema>;

const validator = new SchemaValidator(meshConfigSchema);

/** Reads the text of a MeshConfig file, or tells every fault with its line. An empty file sets nothing. */
export function readMeshConfig(
  text: string,
  file: string,
): { readonly value: MeshConfig; readonly errors?: undefined } | { readonly errors: ManifestError[] } {
  const { documents, error } = parseYaml(text);
  if (error !== undefined) return { errors: [{ file, path: '', ...error }] };
  const [document, second] = documents;
  if (second !== undefined) {
    return { errors: [{ file, path: '', line: second.lineOf(''), message: 'must be the only document of the file' }] };
  }
  const value = document?.value ?? {};
  const findings = new Findings();
  const { errors, isTyped } = validator.check(value, '');
  findings.errors.push(...errors);
  if (isTyped) checkMeshConfig(value, findings);
  if (findings.errors.length === 0) return { value: value };
  return { errors: findings.errors.map((fault) => ({ ...fault, file, line: document?.lineOf(fault.path) ?? 1 })) };
}

function checkMeshConfig(config: MeshConfig, findings: Findings): void {
  const { defaultHttpRetryPolicy, localityLbSetting } = config;
  for (const field of ['connectTimeout', 'dnsRefreshRate'] as const) {
    const value = config[field];
    if (value !== undefined) findings.expect(field, durationFault(value));
  }
  if (localityLbSetting !== undefined) checkLocality(localityLbSetting, 'localityLbSetting', findings);
  checkRetries(defaultHttpRetryPolicy, 'defaultHttpRetryPolicy', findings);
  checkExtensionProviders(config.extensionProviders, findings);
  checkMeshTracing(config, findings);
  checkAccessLogs(config, findings);
}

/** Traffic policies of a DestinationRule, its subsets and its ports. */
import { durationFault, parseDurationNs } from '../duration.ts';
import { type Findings, show } from '../findings.ts';
import { domainFault, isIpAddress } from '../names.ts';
import type {
  ClientTLSSettings,
  ConnectionPoolSettings,
  OutlierDetection,
  PortTrafficPolicy,
  TrafficPolicy,
} from '../traffic-policy.ts';
import { checkLoadBalancer } from './load-balancer.ts';

export function checkTrafficPolicy(policy: TrafficPolicy, path: string, findings: Findings): void {
  if (Object.keys(policy).length === 0) findings.error(path, 'must have at least one field');
  checkPolicyBlocks(policy, path, findings);
  for (const [index, portPolicy] of (policy.portLevelSettings ?? []).entries()) {
    const at = `${path}.portLevelSettings[${index}]`;
    if (Object.keys(portPolicy).length < 2) findings.error(at, 'must have at least one field beside port');
    checkPolicyBlocks(portPolicy, at, findings);
  }
  if (policy.tunnel !== undefined) checkTunnel(policy.tunnel, `${path}.tunnel`, findings);
  if (policy.tunnel !== undefined && policy.proxyProtocol !== undefined) {
    findings.error(path, 'must have only one of tunnel and proxyProtocol');
  }
  const interval = policy.retryBudget?.budgetInterval;
  if (interval !== undefined && interval !== '0s')
    findings.expect(`${path}.retryBudget.budgetInterval`, durationFault(interval));
}

type PolicyBlocks = Pick<
  TrafficPolicy & PortTrafficPolicy,
  'loadBalancer' | 'connectionPool' | 'outlierDetection' | 'tls'
>;

function checkPolicyBlocks(policy: PolicyBlocks, path: string, findings: Findings): void {
  const { loadBalancer, connectionPool, outlierDetection, tls } = policy;
  if (outlierDetection !== undefined) checkOutlierDetection(outlierDetection, `${path}.outlierDetection`, findings);
  if (connectionPool !== undefined) checkConnectionPool(connectionPool, `${path}.connectionPool`, findings);
  if (loadBalancer !== undefined) {
    checkLoadBalancer(loadBalancer, `${path}.loadBalancer`, findings, outlierDetection !== undefined);
  }
  if (tls !== undefined) checkTls(tls, `${path}.tls`, findings);
}

function checkOutlierDetection(detection: OutlierDetection, path: string, findings: Findings): void {
  for (const field of ['interval', 'baseEjectionTime'] as const) {
    const text = detection[field];
    if (text !== undefined) findings.expect(`${path}.${field}`, durationFault(text));
  }
  for (const [index, status] of (detection.outlierDetectionHttpErrorCodes ?? []).entries()) {
    if (status >= 100 && status <= 599) continue;
    findings.error(`${path}.outlierDetectionHttpErrorCodes[${index}]`, `must be from 100 to 599, got ${status}`);
  }
  if (detection.consecutiveErrors) {
    findings.warn(`${path}.consecutiveErrors`, 'is deprecated: use consecutiveGatewayErrors or consecutive5xxErrors');
  }
  if (detection.consecutiveLocalOriginFailures && !detection.splitExternalLocalOriginErrors) {
    findings.error(`${path}.consecutiveLocalOriginFailures`, 'needs splitExternalLocalOriginErrors: true');
  }
}

function checkConnectionPool(pool: ConnectionPoolSettings, path: string, findings: Findings): void {
  const { tcp, http } = pool;
  if (tcp === undefined && http === undefined) findings.error(path, 'must have tcp, http or both');
  const idleTimeout = tcp?.idleTimeout;
  const isOff = idleTimeout !== undefined && parseDurationNs(idleTimeout) === 0n;
  const durations = {
    'tcp.connectTimeout': tcp?.connectTimeout,
    'tcp.maxConnectionDuration': tcp?.maxConnectionDuration,
    // 0 switches this one off.
    'tcp.idleTimeout': isOff ? undefined : idleTimeout,
    'tcp.tcpKeepalive.time': tcp?.tcpKeepalive?.time,
    'tcp.tcpKeepalive.interval': tcp?.tcpKeepalive?.interval,
    'http.idleTimeout': http?.idleTimeout,
    'http.http2KeepAlive.interval': http?.http2KeepAlive?.interval,
    'http.http2KeepAlive.timeout': http?.http2KeepAlive?.timeout,
  };
  for (const [field, text] of Object.entries(durations)) {
    if (text !== undefined) findings.expect(`${path}.${field}`, durationFault(text));
  }
  if (http?.h2UpgradePolicy === 'UPGRADE' && http.useClientProtocol === true) {
    findings.error(`${path}.http.useClientProtocol`, 'must not be true when h2UpgradePolicy is UPGRADE');
  }
}

function checkTls(tls: ClientTLSSettings, path: string, findings: Findings): void {
  const mode = tls.mode ?? 'DISABLE';
  const isSimpleOrMutual = mode === 'SIMPLE' || mode === 'MUTUAL';
  if (tls.insecureSkipVerify === true && isSimpleOrMutual) {
    // In MUTUAL mode credentialName may mean the client's certificate alone.
    const verifiers = { caCertificates: tls.caCertificates, subjectAltNames: tls.subjectAltNames?.join() };
    const given = mode === 'SIMPLE' ? { ...verifiers, credentialName: tls.credentialName } : verifiers;
    for (const [field, value] of Object.entries(given)) {
      if (value) findings.error(`${path}.${field}`, 'must not be given when insecureSkipVerify is true');
    }
  }
  if (isSimpleOrMutual && tls.credentialName) {
    for (const field of ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const) {
      if (tls[field]) findings.error(`${path}.${field}`, 'must not stand beside credentialName');
    }
    return;
  }
  if (mode !== 'MUTUAL') return;
  for (const field of ['clientCertificate', 'privateKey'] as const) {
    if (!tls[field]) findings.error(`${path}.${field}`, 'is required when mode is MUTUAL');
  }
}

function checkTunnel(tunnel: NonNullable<TrafficPolicy['tunnel']>, path: string, findings: Findings): void {
  if (tunnel.protocol && tunnel.protocol !== 'CONNECT' && tunnel.protocol !== 'POST') {
    findings.error(`${path}.protocol`, `must be CONNECT or POST, got ${show(tunnel.protocol)}`);
  }
  if (!isIpAddress(tunnel.targetHost)) findings.expect(`${path}.targetHost`, domainFault(tunnel.targetHost));
}

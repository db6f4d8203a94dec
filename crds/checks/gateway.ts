/** Gateway as a whole. Source of the rules: istio/istio pkg/config/validation. */
import { type Findings, show } from '../findings.ts';
import { type GatewayServer, type GatewaySpec, isPassthrough } from '../gateway.ts';
import { dnsLabelFault, isIpAddress, wildcardDomainFault } from '../names.ts';
import { isHttp, isKnownProtocol, isTls } from '../protocol.ts';
import type { Check } from './check.ts';
import { checkServerTls } from './server-tls.ts';

export const checkGateway: Check<GatewaySpec> = ({ servers = [] }, { name }, findings) => {
  findings.expect('metadata.name', dnsLabelFault(name));
  if (servers.length === 0) findings.error('spec.servers', 'must have at least one server');
  const names = new Set<string>();
  for (const [index, server] of servers.entries()) {
    const path = `spec.servers[${index}]`;
    checkServer(server, path, findings);
    const portName = server.port.name ?? '';
    if (portName !== '' && names.has(portName)) findings.error(`${path}.port.name`, `repeats ${show(portName)}`);
    names.add(portName);
  }
};

function checkServer(server: GatewayServer, path: string, findings: Findings): void {
  if (server.hosts.length === 0) findings.error(`${path}.hosts`, 'must have at least one host');
  for (const [index, host] of server.hosts.entries()) checkHost(host, `${path}.hosts[${index}]`, findings);
  checkPort(server, `${path}.port`, findings);
  checkBind(server, path, findings);
  if (server.tls !== undefined) checkServerTls(server.tls, `${path}.tls`, findings);
  checkProtocolAndTls(server, path, findings);
}

/** `dnsName` or `namespace/dnsName`; the namespace, of the VirtualServices that may use the host, may be `*` or `.`. */
function checkHost(host: string, path: string, findings: Findings): void {
  const slash = host.indexOf('/');
  const namespace = slash < 0 ? '*' : host.slice(0, slash);
  if (namespace !== '*' && namespace !== '.') findings.expect(path, dnsLabelFault(namespace));
  const name = host.slice(slash + 1);
  if (isIpAddress(name)) return;
  const fault = wildcardDomainFault(name);
  if (fault !== undefined) findings.error(path, fault);
  else if (name !== '*' && !name.includes('.')) findings.error(path, `must be a full name or "*", got ${show(name)}`);
  else if (name.length > 1 && name.startsWith('*') && !name.startsWith('*.'))
    findings.error(path, `must not be a partial wildcard: write "*." and a domain, got ${show(name)}`);
}

const unixPrefix = 'unix://';

function checkPort({ port, bind = '' }: GatewayServer, path: string, findings: Findings): void {
  if (!isKnownProtocol(port.protocol) || port.protocol === '') {
    findings.error(`${path}.protocol`, `must be a protocol such as HTTP, HTTPS or TCP, got ${show(port.protocol)}`);
  }
  if (port.number === 0 && !bind.startsWith(unixPrefix)) findings.error(`${path}.number`, 'must be >= 1, got 0');
  if (port.targetPort) findings.error(`${path}.targetPort`, 'must not be given: it has no effect for a gateway');
  if (!port.name) findings.error(`${path}.name`, 'is required');
}

function checkBind({ port, bind = '' }: GatewayServer, path: string, findings: Findings): void {
  if (bind === '') return;
  if (!bind.startsWith(unixPrefix)) {
    if (!isIpAddress(bind)) findings.error(`${path}.bind`, `must be an IP address, got ${show(bind)}`);
    return;
  }
  const socket = bind.slice(unixPrefix.length);
  const isFile = socket.startsWith('@') || (socket.startsWith('/') && !socket.endsWith('/'));
  if (!isFile) findings.error(`${path}.bind`, `must be an absolute path to a socket, got ${show(bind)}`);
  if (port.number !== 0) findings.error(`${path}.port.number`, 'must be 0 for a unix socket');
}

function checkProtocolAndTls({ port, tls }: GatewayServer, path: string, findings: Findings): void {
  const { protocol } = port;
  if (tls?.httpsRedirect === true && !isHttp(protocol)) {
    findings.warn(`${path}.tls.httpsRedirect`, 'has an effect for HTTP servers only');
  }
  if (isTls(protocol)) {
    if (tls === undefined) findings.error(`${path}.tls`, `is required for protocol ${protocol}`);
    return;
  }
  if (tls === undefined) return;
  const hasCertificates = Boolean(tls.caCertificates || tls.privateKey || tls.serverCertificate);
  if (!isHttp(protocol)) findings.error(`${path}.tls`, `must not be given for protocol ${protocol}`);
  else if (!isPassthrough(tls) || hasCertificates)
    findings.error(`${path}.tls`, 'must not have more than httpsRedirect for protocol HTTP');
}

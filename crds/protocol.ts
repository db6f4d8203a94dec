/** Protocols of ports, as Istio names them; letter case does not matter and none means "look at the bytes". */
const httpProtocols: ReadonlySet<string> = new Set(['http', 'http2', 'http_proxy', 'grpc', 'grpc-web']);
const tlsProtocols: ReadonlySet<string> = new Set(['https', 'tls']);
const otherProtocols: ReadonlySet<string> = new Set(['', 'tcp', 'udp', 'mongo', 'redis', 'mysql']);

export function isHttp(protocol: string): boolean {
  return httpProtocols.has(protocol.toLowerCase());
}

/** Those that need HTTP/2. */
export function isHttp2(protocol: string): boolean {
  return ['http2', 'grpc'].includes(protocol.toLowerCase());
}

export function isTls(protocol: string): boolean {
  return tlsProtocols.has(protocol.toLowerCase());
}

export function isUdp(protocol: string): boolean {
  return protocol.toLowerCase() === 'udp';
}

export function isKnownProtocol(protocol: string): boolean {
  return isHttp(protocol) || isTls(protocol) || otherProtocols.has(protocol.toLowerCase());
}

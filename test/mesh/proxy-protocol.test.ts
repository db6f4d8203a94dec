import { expect, test } from 'vitest';
import { closeAfterTest } from '../support/closing.ts';
import { call } from '../support/http-call.ts';
import { eventually, Mesh } from '../support/mesh.ts';
import { headerLines, readBehindHeaders } from '../support/proxy-protocol.ts';
import { RawBackend } from '../support/raw-backend.ts';
import { RawClient } from '../support/raw-client.ts';
import { head } from '../proxy/http1/request-case.ts';

/** A host outside the mesh, and what its DestinationRule says about connections to it. */
function outside(port: number, policy: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: outside }
spec:
  hosts: [outside.example.com]
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${port} }]
  resolution: STATIC
  endpoints: [{ address: 127.0.0.1 }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: outside }
spec: { host: outside.example.com, trafficPolicy: { ${policy} } }`;
}

test('an application is made known to a host whose DestinationRule has proxyProtocol, until it has none', async () => {
  const backend = closeAfterTest(new RawBackend());
  await backend.start();
  readBehindHeaders(backend);
  const mesh = closeAfterTest(await Mesh.create());
  await mesh.startControlPlane();
  const { outboundUrl } = await mesh.startSidecar({ service: 'caller', hasApplication: false });
  const port = Number(new URL(outboundUrl).port);
  const host = 'outside.example.com';
  const keepalive = 'connectionPool: { tcp: { tcpKeepalive: { time: 60s, interval: 5s, probes: 3 } } }';
  await mesh.apply(outside(backend.port, `proxyProtocol: { version: V1 }, ${keepalive}`));
  await eventually(async () => ((await call(port, { host })).status === 200 ? true : undefined));

  const before = backend.connections.length;
  const clients = [await RawClient.connect(port), await RawClient.connect(port)];
  for (const client of clients) {
    client.send(head('GET / HTTP/1.1', `Host: ${host}`));
    await client.untilResponses(1);
  }
  expect(headerLines(backend).slice(before)).toEqual(
    clients.map(({ socket }) => `PROXY TCP4 127.0.0.1 127.0.0.1 ${socket.localPort} ${port}`),
  );
  for (const client of clients) client.destroy();

  await mesh.apply(outside(backend.port, keepalive));
  await eventually(async () => {
    await call(port, { host });
    return backend.connections.at(-1)?.received.startsWith('GET /') === true ? true : undefined;
  });
});

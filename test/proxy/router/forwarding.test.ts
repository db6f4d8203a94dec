import { expect, test } from 'vitest';
import { Backend, echoOf } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';

test('a request arrives with its method, path, headers and body, and the answer comes back', async () => {
  const backend = closeAfterTest(await Backend.start());
  const proxy = closeAfterTest(
    new ProxyParts({
      routes: routeConfiguration([routeTo('backend')]),
      clusters: [staticCluster('backend', [backend.port])],
    }),
  );
  await proxy.start();
  const answer = await call(proxy.port(), { method: 'POST', path: '/a?b=c', headers: { 'x-one': '1' }, body: 'hello' });
  expect(answer.status).toBe(200);
  expect(echoOf(answer)).toMatchObject({
    method: 'POST',
    url: '/a?b=c',
    body: 'hello',
    headers: { host: 'test', 'x-one': '1' },
  });
  expect(proxy.finished).toMatchObject([{ status: 200, flag: '-', requestBytes: 5, cluster: 'backend' }]);
});

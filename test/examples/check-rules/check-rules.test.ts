import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { besideEachSidecar, LiveMesh } from '../../conformance/live-mesh.ts';
import { runCommand } from '../../support/command.ts';
import { Backend } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { call } from '../../support/http-call.ts';

const file = 'examples/check-rules/check-rules.yaml';

besideEachSidecar(() => {
  test('the example lets in whom it says', async () => {
    const application = closeAfterTest(await Backend.start('application'));
    const yaml = (await readFile(file, 'utf8')).replaceAll('host: reviews', 'host: client');
    const mesh = await LiveMesh.start({ instances: [], client: { appPort: application.port } });
    await mesh.apply(yaml);
    const ask = async (method: string, user = 'eve') => {
      const headers = { 'x-user': user, 'user-agent': 'a-robot' };
      return call(mesh.inboundPort, { method, headers });
    };
    expect((await ask('GET')).status).toBe(200);
    expect((await ask('POST')).status).toBe(403);
    expect((await ask('POST', 'bob')).status).toBe(200);
    const { status, body, headers } = await ask('DELETE', 'bob');
    expect({ status, body, allow: headers['allow'] }).toEqual({
      status: 405,
      body: 'reviews are read and written, never changed',
      allow: 'GET, POST',
    });
    const policies = `http.inbound_127.0.0.1_${mesh.inboundPort}.rbac`;
    expect(await mesh.stat(`${policies}.deny_rules.policy.default/no-robots.shadow_denied`)).toBeGreaterThan(0);
    expect(await mesh.stat(`${policies}.deny_rules.policy.default/no-deletes.denied`)).toBe(1);
  });
});

test('explain tells what the rules of the example do', async () => {
  const args = ['explain', '-f', file, '--url', 'http://reviews/1', '--method', 'DELETE'];
  const { stdout } = await runCommand({ args });
  expect(stdout).toContain('default/no-deletes DENY: denies it, with 405');
  expect(stdout).toContain('default/readers ALLOW: does not match: the method is DELETE');
});

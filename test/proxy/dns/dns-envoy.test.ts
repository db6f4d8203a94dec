/**
 * The same listener in a real Envoy and here: questions about addresses of the table have the same answers. Envoy looks at
 * the case of names, so its tables are written in lower case.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Listener } from '../../../proxy/api/envoy.gen.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { dnsListener, forwardTo } from '../../support/dns-json.ts';
import { askUdp, dnsQuery, readHeader } from '../../support/dns-message.ts';
import { DnsUpstream } from '../../support/dns-upstream.ts';
import { requirePeers } from '../../support/peers.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { unusedPort } from '../../support/unused-port.ts';

/** Resolves when it answers. */
async function startEnvoy(listener: Listener, port: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-envoy-'));
  const file = join(folder, 'bootstrap.json');
  writeFileSync(file, JSON.stringify({ static_resources: { listeners: [listener] } }));
  const envoy = spawn('envoy', ['-c', file, '--use-dynamic-base-id', '--concurrency', '1', '-l', 'error'], {
    stdio: 'ignore',
  });
  const ended = new Promise<void>((resolve) => envoy.once('exit', () => resolve()));
  onTestFinished(async () => {
    envoy.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true });
  });
  for (let tries = 0; tries < 100; tries += 1) {
    if ((await askUdp(port, dnsQuery('reviews'), 100)) !== undefined) return;
  }
  throw new Error('Envoy does not answer');
}

const names = {
  reviews: ['240.240.0.1'],
  'dual.example.com': ['192.0.2.7', '2001:db8::7'],
  '*.wild.example.com': ['192.0.2.20'],
  '*.deep.wild.example.com': ['192.0.2.21'],
};

test('a table means the same to Envoy', async (context) => {
  requirePeers(context, 'envoy');
  const upstream = closeAfterTest(await DnsUpstream.start());
  const json = (port: number): Listener => dnsListener({ port, names, client: forwardTo(upstream.port) });
  const port = await unusedPort();
  await startEnvoy(json(port), port);
  const proxy = closeAfterTest(await new ProxyParts({ listeners: [json(0)] }).start());
  for (const name of ['reviews', 'dual.example.com', 'a.wild.example.com', 'b.deep.wild.example.com']) {
    for (const type of [1, 28]) {
      const query = dnsQuery(name, { type });
      const [envoys, ours] = await Promise.all([askUdp(port, query), askUdp(proxy.port(), query)]);
      if (envoys === undefined || ours === undefined) throw new Error(`${name} has no answer`);
      const { answers } = readHeader(ours);
      expect(readHeader(envoys).answers, `${name} ${type}`).toBe(answers);
      // The address is what an answer ends with.
      if (answers > 0) expect(envoys.subarray(-4)).toEqual(ours.subarray(-4));
    }
  }
}, 30_000);

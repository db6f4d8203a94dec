import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Explanation } from '../../../pilot/cli/explain/explanation.ts';
import { PilotServer } from '../../../pilot/server.ts';
import { silentLogger } from '../../../proxy/common/log.ts';
import { type Ran, runCommand } from '../../support/command.ts';
import { kubernetesService, reviewsSubsets, virtualService } from '../../simulation/yaml.ts';

const toSubset = (subset: string): string =>
  virtualService('reviews', `[{ route: [{ destination: { host: reviews, subset: ${subset} } }] }]`);

describe('explain with a running control plane', () => {
  let dir: string;
  let pilot: PilotServer;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'heddle-explain-live-'));
    pilot = new PilotServer({
      dataDir: join(dir, 'data'),
      host: '127.0.0.1',
      restPort: 0,
      xdsPort: 0,
      logger: silentLogger,
      mixerAddress: { address: '127.0.0.1', port: 1 },
    });
    await pilot.start();
  });

  afterEach(async () => {
    await pilot.close();
    rmSync(dir, { recursive: true });
  });

  const server = (): string => `http://127.0.0.1:${pilot.restPort}`;
  const heddle = (args: readonly string[], stdin = ''): Promise<Ran> =>
    runCommand({ args, stdin, env: { HEDDLE_SERVER: server() } });
  const explained = async (...args: string[]): Promise<Explanation> => {
    const { stdout, stderr } = await heddle(['explain', '-o', 'json', '--url', 'http://reviews/', ...args]);
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as Explanation;
  };

  test('without -f it explains what is in force, and knows that nobody listens', async () => {
    await heddle(
      ['apply', '-f', '-'],
      kubernetesService('reviews', '[{ name: http, port: 80 }]') + reviewsSubsets + toSubset('v1'),
    );
    const { outcome, destination, rules } = await explained();
    expect(destination).toMatchObject({ subset: 'v1', endpoints: 0 });
    expect(outcome).toMatchObject({ status: 503, flag: 'UH' });
    expect(rules).toEqual({ name: 'default/rules' });
  });

  test('with -f and --server it tells what would change, and changes nothing', async () => {
    await heddle(
      ['apply', '-f', '-'],
      `${kubernetesService('reviews', '[{ name: http, port: 80 }]')}${reviewsSubsets}${toSubset('v1')}---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: one }
spec: { address: 10.0.0.1, labels: { app: reviews, version: v2 } }
`,
    );
    const file = join(dir, 'next.yaml');
    writeFileSync(file, toSubset('v2'));
    const next = await explained('-f', file, '--server', server());
    expect(next.destination).toMatchObject({ subset: 'v2', endpoints: 1 });
    expect(next.outcome.kind).toBe('forward');
    expect(next.rules?.place).toBe(`${file}:3`);
    expect((await explained()).destination?.subset).toBe('v1');
  });

  test('a control plane that does not answer is exit code 3', async () => {
    const { code, stderr } = await runCommand({
      args: ['explain', '--url', 'http://reviews/', '--server', 'http://127.0.0.1:1'],
    });
    expect(code).toBe(3);
    expect(stderr).toContain('cannot be reached');
  });
});

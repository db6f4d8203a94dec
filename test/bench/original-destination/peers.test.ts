import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { requireExecutable } from '../../../bench/executable.ts';
import { capturingBootstrap } from '../../../bench/original-destination/peers.ts';
import { readBootstrap } from '../../../proxy/bootstrap.ts';
import { requirePeers } from '../../support/peers.ts';
import { temporaryFolder } from '../../support/pki.ts';

const bootstrap = capturingBootstrap({ port: 15_001, backend: { ports: [2, 3] } });

describe('the bootstrap for redirected connections', () => {
  test('hands those to the service over to a listener of its own, and Heddle takes it', () => {
    const { value, errors } = readBootstrap(bootstrap, 'bench');
    expect(errors).toBeUndefined();
    expect(value?.staticListeners.map((each) => [each.name, each.bindsToPort, each.usesOriginalDestination])).toEqual([
      ['virtualOutbound', true, true],
      ['198.51.100.1_80', false, false],
    ]);
  });

  test('is one that Envoy takes', async (context) => {
    requirePeers(context, 'envoy');
    const file = join(temporaryFolder(), 'envoy.yaml');
    writeFileSync(file, bootstrap);
    const run = promisify(execFile)(requireExecutable('envoy', 'envoy'), ['--mode', 'validate', '-c', file]);
    expect((await run).stdout).toContain('OK');
  });
});

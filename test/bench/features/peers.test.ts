import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { requireExecutable } from '../../../bench/executable.ts';
import { refusalOf } from '../../../bench/features/peers.ts';
import { features } from '../../../bench/features/table.ts';
import { hopBootstrap } from '../../../bench/peers/hop-bootstrap.ts';
import { requirePeers } from '../../support/peers.ts';

const scene = { port: 1, backend: { ports: [2, 3] }, quotaPort: 4 } as const;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-features-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe.each(features.map((feature) => [feature.name, feature] as const))('the bootstrap of "%s"', (_, feature) => {
  it('is one that Envoy takes', async (context) => {
    requirePeers(context, 'envoy');
    const file = join(directory, 'envoy.yaml');
    await writeFile(file, hopBootstrap(scene, feature.parts(scene)));
    const { stdout } = await promisify(execFile)(requireExecutable('envoy', 'envoy'), [
      '--mode',
      'validate',
      '-c',
      file,
    ]);
    expect(stdout).toContain('OK');
  });

  it('is taken by Heddle too, or the field that is not is named', () => {
    expect(refusalOf(feature) ?? '').toMatch(/^$|^not supported by this build: static_resources\.\S+: \S/);
  });
});

describe('a feature that no build has', () => {
  it('is reported by the name of its field, not started', () => {
    const refusal = refusalOf({ parts: () => ({ manager: { via: 'x' } }) });
    expect(refusal).toMatch(/^not supported by this build: .*\.via: /);
  });
});

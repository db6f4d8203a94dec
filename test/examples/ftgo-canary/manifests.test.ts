import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseManifest } from '../../../crds/manifest.ts';
import { findUnsupported, validateResource } from '../../../crds/validate.ts';
import { exampleFile } from '../../support/mesh.ts';

const files = readdirSync(exampleFile('.'), { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.yaml'),
);

describe('the YAML of the example', () => {
  test.each(files)('%s is valid and fully supported', (file) => {
    const { documents, errors } = parseManifest(file, readFileSync(join(exampleFile('.'), file), 'utf8'));
    expect(errors).toEqual([]);
    // The gateway and the rule that is bound to it belong together.
    expect(documents).toHaveLength(file === 'gateway.yaml' ? 2 : 1);
    for (const { resource } of documents) {
      expect(validateResource(resource).errors).toBeUndefined();
      expect(findUnsupported(resource)).toEqual([]);
    }
  });

  test('there are the rule, the subsets, four further steps, the canary and the gateway', () => {
    expect(files).toHaveLength(8);
  });
});

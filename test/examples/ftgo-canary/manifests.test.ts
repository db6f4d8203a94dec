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
    expect(documents).toHaveLength(1);
    for (const { resource } of documents) {
      expect(validateResource(resource)).toMatchObject({
        value: { resource: { metadata: { name: 'ftgo-consumer-service' } } },
      });
      expect(findUnsupported(resource)).toEqual([]);
    }
  });

  test('there are the rule, the subsets and four further steps', () => {
    expect(files).toHaveLength(6);
  });
});

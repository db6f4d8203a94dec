import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { generate } from '../../../proxy/api/generate.ts';

describe('generated files', () => {
  test.each(Object.entries(generate()))('%s is what npm run generate writes', (name, text) => {
    const committed = readFileSync(new URL(`../../../proxy/api/${name}`, import.meta.url), 'utf8');
    expect(committed === text, `${name} is stale: run npm run generate`).toBe(true);
  });
});

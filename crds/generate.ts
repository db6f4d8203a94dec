/** `npm run generate`: writes crds/generated from the schemas. A test fails when the files are stale. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { renderCrds } from './crd-yaml.ts';

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = join(process.cwd(), 'crds', 'generated');
  const files = renderCrds();
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(folder)) if (!files.has(name)) rmSync(join(folder, name));
  for (const [name, text] of files) writeFileSync(join(folder, name), text);
}

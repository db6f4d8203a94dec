/** Which Heddle this is. */
import { readFileSync } from 'node:fs';

/** Beside the sources, or beside `dist/`. */
const places = ['../../package.json', '../../../package.json'];

/** As `package.json` says; its absence is a broken installation. */
export function packageVersion(): string {
  for (const place of places) {
    const text = readIfThere(new URL(place, import.meta.url));
    if (text !== undefined) return (JSON.parse(text) as { readonly version: string }).version;
  }
  throw new Error('package.json of heddle is missing');
}

function readIfThere(url: URL): string | undefined {
  try {
    return readFileSync(url, 'utf8');
  } catch {
    return undefined;
  }
}

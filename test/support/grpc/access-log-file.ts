/** The access log of all sidecars of a mesh, in a file that goes with the test. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../mesh.ts';
import { temporaryFolder } from '../pki.ts';

export class AccessLogFile {
  readonly path: string = join(temporaryFolder(), 'access.log');

  async lines(): Promise<string[]> {
    const text = await readFile(this.path, 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  }

  /** When there are so many of them. */
  untilLines(count: number): Promise<string[]> {
    return eventually(async () => {
      const lines = await this.lines();
      return lines.length >= count ? lines : undefined;
    });
  }
}

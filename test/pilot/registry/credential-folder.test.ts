import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../proxy/common/log.ts';
import { CredentialFolder } from '../../../pilot/registry/credential-folder.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { Authority, type Certificate, temporaryFolder } from '../../support/pki.ts';

describe('the folder of secrets', () => {
  let authority: Authority;
  let first: Certificate;
  let second: Certificate;
  beforeAll(() => {
    authority = new Authority();
    [first, second] = [authority.issue(), authority.issue()];
  });
  afterAll(() => authority.close());

  function write(folder: string, secret: string, files: Readonly<Record<string, string>>): void {
    mkdirSync(join(folder, secret), { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, secret, name), text);
  }

  async function open(folder: string) {
    const faults: unknown[] = [];
    const logger = { ...silentLogger, warn: (_: string, fields: unknown) => void faults.push(fields) };
    const credentials = closeAfterTest(new CredentialFolder({ folder, clock: new ManualClock(), logger }));
    let changes = 0;
    credentials.onChange(() => (changes += 1));
    await credentials.start();
    const chainOf = (name: string) => credentials.current.certificateOf('shop', name)?.chain;
    return { credentials, chainOf, faults, changes: () => changes };
  }

  test('has certificates and authorities by namespace and name', async () => {
    const folder = temporaryFolder();
    write(folder, 'shop/web', { 'tls.crt': first.cert, 'tls.key': first.key });
    write(folder, 'shop/web-cacert', { 'ca.crt': authority.cert });
    const { credentials, chainOf } = await open(folder);
    expect(chainOf('web')).toBe(first.cert);
    expect(credentials.current.authorityOf('shop', 'web')).toBe(authority.cert);
    expect(credentials.current.certificateOf('default', 'web')).toBeUndefined();
  });

  test('tells of what changes, comes and goes, and keeps its identity otherwise', async () => {
    const folder = temporaryFolder();
    write(folder, 'shop/web', { 'tls.crt': first.cert, 'tls.key': first.key });
    const { credentials, chainOf, changes } = await open(folder);
    const before = credentials.current;
    await credentials.refresh();
    expect([credentials.current === before, changes()]).toEqual([true, 1]);
    write(folder, 'shop/web', { 'tls.crt': second.cert, 'tls.key': second.key });
    await credentials.refresh();
    expect([chainOf('web'), changes()]).toEqual([second.cert, 2]);
    rmSync(join(folder, 'shop'), { recursive: true });
    await credentials.refresh();
    expect([chainOf('web'), changes()]).toEqual([undefined, 3]);
  });

  test('keeps a certificate until both of its files are replaced, and says once what is wrong', async () => {
    const folder = temporaryFolder();
    write(folder, 'shop/web', { 'tls.crt': first.cert, 'tls.key': first.key });
    const { credentials, chainOf, faults } = await open(folder);
    write(folder, 'shop/web', { 'tls.crt': second.cert });
    await credentials.refresh();
    await credentials.refresh();
    expect(chainOf('web')).toBe(first.cert);
    expect(faults).toEqual([{ fault: 'shop/web: tls.key is not the key of the certificate in tls.crt' }]);
    write(folder, 'shop/web', { 'tls.key': second.key });
    await credentials.refresh();
    expect(chainOf('web')).toBe(second.cert);
  });

  test('leaves out what is no certificate, and half of a pair', async () => {
    const folder = temporaryFolder();
    write(folder, 'shop/web', { 'tls.crt': 'nonsense', 'tls.key': first.key, 'ca.crt': 'nonsense' });
    write(folder, 'shop/half', { 'tls.crt': first.cert });
    const { credentials, chainOf, faults } = await open(folder);
    expect([chainOf('web'), chainOf('half'), credentials.current.authorityOf('shop', 'web')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(faults).toHaveLength(3);
  });

  test('must be there at the start', async () => {
    await expect(open(join(temporaryFolder(), 'missing'))).rejects.toThrow(/ENOENT/);
  });
});

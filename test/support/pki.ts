/** Certificates of a test's own authority, made by openssl. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export interface Certificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface IssueOptions {
  /** As openssl writes them: `DNS:shop.example.com`, `URI:spiffe://…`, `IP:127.0.0.1`. */
  readonly names?: readonly string[];
  readonly isExpired?: boolean;
  readonly keyType?: 'ec' | 'rsa';
  readonly commonName?: string;
}

const keyArguments = {
  ec: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  rsa: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
};

/** An authority that signs certificates in a folder of its own, which goes with it. */
export class Authority {
  readonly #folder = mkdtempSync(join(tmpdir(), 'heddle-pki-'));
  readonly name: string;
  /** PEM. */
  readonly cert: string;

  constructor(name = 'test authority') {
    this.name = name;
    this.#openssl('genpkey', ...keyArguments.ec, '-out', 'ca.key');
    this.#openssl('req', '-x509', '-new', '-key', 'ca.key', '-subj', `/CN=${name}`, '-days', '2', '-out', 'ca.pem');
    this.cert = this.#read('ca.pem');
  }

  /** For the server `localhost` unless told otherwise. */
  issue({
    names = ['DNS:localhost'],
    isExpired = false,
    keyType = 'ec',
    commonName = 'test',
  }: IssueOptions = {}): Certificate {
    const extension = names.length === 0 ? '' : `subjectAltName=${names.join(',')}\n`;
    writeFileSync(join(this.#folder, 'extensions'), `basicConstraints=CA:FALSE\n${extension}`);
    this.#openssl('genpkey', ...keyArguments[keyType], '-out', 'leaf.key');
    this.#openssl('req', '-new', '-key', 'leaf.key', '-subj', `/CN=${commonName}`, '-out', 'leaf.csr');
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', isExpired ? '-1' : '1'];
    this.#openssl('x509', '-req', '-in', 'leaf.csr', ...signed, '-extfile', 'extensions', '-out', 'leaf.pem');
    return { cert: this.#read('leaf.pem'), key: this.#read('leaf.key') };
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: 'pipe' });
  }

  #read(file: string): string {
    return readFileSync(join(this.#folder, file), 'utf8');
  }
}

/** A folder for one test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-files-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

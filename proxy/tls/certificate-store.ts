/** Where the secrets of TLS contexts come from: given in place, in files, from SDS. One for the whole process. */
import type { CertificateValidation, CommonTls, DataSource, Secret, TlsCertificate } from '../api/tls.ts';
import { type Clock, systemClock } from '../common/clock.ts';
import type { FieldError } from '../common/decoded.ts';
import { type Logger, silentLogger } from '../common/log.ts';
import { checkCertificate, checkValidation } from './secure-contexts.ts';
import { readSystemCa } from './system-ca.ts';
import { type FileContent, WatchedFiles } from './watched-files.ts';

/** What a context is built from, all of it text in PEM. */
export interface TlsMaterial {
  readonly certificates: readonly CertificateMaterial[];
  /** Undefined: the peer's certificate is not looked at. */
  readonly validation: ValidationMaterial | undefined;
}

export interface CertificateMaterial {
  readonly chain: string;
  readonly key: string;
  readonly password: string | undefined;
}

export interface ValidationMaterial extends Omit<CertificateValidation, 'trustedCa' | 'crl' | 'watchedDirectory'> {
  readonly trustedCa: string | undefined;
  readonly crl: string | undefined;
}

/** The material as it is now, or one sentence that says what is missing. */
export type Resolved =
  | { readonly material: TlsMaterial; readonly fault?: undefined }
  | { readonly material?: undefined; readonly fault: string; readonly isSdsMissing: boolean };

export interface TlsSource {
  resolve(): Resolved;
  close(): void;
}

export interface CertificateStoreOptions {
  readonly clock?: Clock;
  readonly logger?: Logger;
}

export class CertificateStore {
  readonly logger: Logger;
  readonly #files: WatchedFiles;
  /** From SDS, by name. */
  readonly #secrets = new Map<string, Secret>();
  readonly #users = new Map<TlsSource, { readonly names: ReadonlySet<string>; readonly onChange: () => void }>();

  constructor({ clock = systemClock, logger = silentLogger }: CertificateStoreOptions = {}) {
    this.logger = logger;
    this.#files = new WatchedFiles(clock);
  }

  /** `onChange` is called when `resolve` may have another answer. */
  open(tls: CommonTls, onChange: () => void): TlsSource {
    const files = this.#files.open(onChange);
    const source: TlsSource = {
      resolve: () => {
        const resolution = new Resolution(this.#secrets, (path) => this.#files.read(path));
        const resolved = resolution.resolve(tls);
        files.watch(resolution.paths, resolution.folders);
        return resolved;
      },
      close: () => {
        this.#users.delete(source);
        files.close();
      },
    };
    this.#users.set(source, { names: new Set(secretNamesOf(tls)), onChange });
    return source;
  }

  /** From SDS: every context that names it uses it for new connections. One that OpenSSL does not take changes nothing. */
  updateSecret(secret: Secret): FieldError[] {
    const fault = new Resolution(this.#secrets, (path) => this.#files.read(path)).faultOf(secret);
    if (fault !== undefined) return [fault];
    this.#secrets.set(secret.name, secret);
    for (const { names, onChange } of this.#users.values()) if (names.has(secret.name)) onChange();
    return [];
  }

  /** Secrets of other names are forgotten. Whoever was built from one of them goes on with it. */
  retainSecrets(names: ReadonlySet<string>): void {
    for (const name of this.#secrets.keys()) if (!names.has(name)) this.#secrets.delete(name);
  }

  close(): void {
    this.#users.clear();
    this.#files.close();
  }
}

/** Names to ask SDS for. */
export function secretNamesOf({ certificates, validation }: CommonTls): string[] {
  const names = certificates.flatMap((source) => (source.kind === 'sds' ? [source.name] : []));
  return validation?.sdsName === undefined ? names : [...names, validation.sdsName];
}

/** Thrown within this file only. */
class Missing extends Error {
  readonly isSdsMissing: boolean;

  constructor(message: string, isSdsMissing = false) {
    super(message);
    this.isSdsMissing = isSdsMissing;
  }
}

/** One look at everything that a context needs; notes which files that takes. */
class Resolution {
  readonly paths = new Set<string>();
  readonly folders = new Set<string>();
  readonly #secrets: ReadonlyMap<string, Secret>;
  readonly #readFile: (path: string) => FileContent;

  constructor(secrets: ReadonlyMap<string, Secret>, readFile: (path: string) => FileContent) {
    this.#secrets = secrets;
    this.#readFile = readFile;
  }

  resolve({ certificates, validation }: CommonTls): Resolved {
    try {
      return {
        material: {
          certificates: certificates.map((source) =>
            this.#certificate(source.kind === 'given' ? source.secret : this.#namedCertificate(source.name)),
          ),
          validation: validation && this.#validation(this.#mergeValidation(validation.given, validation.sdsName)),
        },
      };
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      return { fault: error.message, isSdsMissing: error.isSdsMissing };
    }
  }

  /** Of a secret by itself. Files that are not there may come. */
  faultOf({ content }: Secret): FieldError | undefined {
    try {
      if (content.kind === 'tls_certificate') checkCertificate(this.#certificate(content.certificate));
      else checkValidation(this.#validation(content.validation));
      return undefined;
    } catch (error) {
      if (error instanceof Missing) return undefined;
      return { path: content.kind, message: error instanceof Error ? error.message : String(error) };
    }
  }

  #certificate({ certificateChain, privateKey, password, watchedDirectory }: TlsCertificate): CertificateMaterial {
    if (watchedDirectory !== '') this.folders.add(watchedDirectory);
    // All are looked at, so that all are watched, before the first that is missing ends it.
    const contents = [certificateChain, privateKey, password].map((source) => source && this.#content(source));
    const [chain = '', key = '', phrase] = contents.map((content) => content && textOf(content));
    return { chain, key, password: phrase };
  }

  #validation({ trustedCa, crl, watchedDirectory, ...rest }: CertificateValidation): ValidationMaterial {
    if (watchedDirectory !== '') this.folders.add(watchedDirectory);
    const contents = [trustedCa, crl].map((source) => source && this.#content(source));
    const [ca, list] = contents.map((content) => content && textOf(content));
    return { ...rest, trustedCa: ca, crl: list };
  }

  /** As Envoy merges them: single fields of SDS win, lists are joined. */
  #mergeValidation(given: CertificateValidation, sdsName: string | undefined): CertificateValidation {
    if (sdsName === undefined) return given;
    const named = this.#named(sdsName);
    if (named.kind !== 'validation_context') throw new Missing(`secret ${sdsName} is no validation context`);
    const { validation } = named;
    return {
      trustedCa: validation.trustedCa ?? given.trustedCa,
      crl: validation.crl ?? given.crl,
      subjectAltNames: [...given.subjectAltNames, ...validation.subjectAltNames],
      certificateHashes: [...given.certificateHashes, ...validation.certificateHashes],
      spkiHashes: [...given.spkiHashes, ...validation.spkiHashes],
      acceptsUntrusted: validation.acceptsUntrusted || given.acceptsUntrusted,
      watchedDirectory: validation.watchedDirectory || given.watchedDirectory,
    };
  }

  #namedCertificate(name: string): TlsCertificate {
    const named = this.#named(name);
    if (named.kind !== 'tls_certificate') throw new Missing(`secret ${name} is no certificate`);
    return named.certificate;
  }

  #named(name: string): Secret['content'] {
    const secret = this.#secrets.get(name);
    if (secret === undefined) throw new Missing(`secret ${name} has not come from SDS yet`, true);
    return secret.content;
  }

  #content(source: DataSource): FileContent {
    if (source.kind === 'inline') return source;
    this.paths.add(source.path);
    const content = this.#readFile(source.path);
    return content.text === undefined ? (readSystemCa(source.path, this.#readFile) ?? content) : content;
  }
}

function textOf(content: FileContent): string {
  if (content.text === undefined) throw new Missing(content.fault);
  return content.text;
}

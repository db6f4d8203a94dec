/** Asks for the addresses of a name: the system, or DNS servers that the configuration gives. */
import { lookup, Resolver, type RecordWithTtl } from 'node:dns';
import type { DnsLookupFamily } from '../../api/dns.ts';

export interface DnsQuery {
  readonly name: string;
  readonly family: DnsLookupFamily;
  /** `ip:port`; empty asks the system. */
  readonly servers: readonly string[];
  readonly timeoutMs: number;
}

export type DnsAnswer =
  /** `ttlMs`: undefined where the system does not tell it. */
  | { readonly kind: 'addresses'; readonly addresses: readonly string[]; readonly ttlMs: number | undefined }
  /** `ENOTFOUND`, `ESERVFAIL`, `ETIMEOUT` … */
  | { readonly kind: 'failure'; readonly code: string };

export interface DnsResolver {
  /** `done` is called once, at once or when nobody may wait for it any more. */
  resolve(query: DnsQuery, done: (answer: DnsAnswer) => void): void;
}

type Family = 4 | 6;

/** In the order in which they are asked; with `ALL` the answers are joined, otherwise the first with addresses counts. */
const familyOrder: Readonly<Record<DnsLookupFamily, readonly Family[]>> = {
  AUTO: [6, 4],
  V4_ONLY: [4],
  V6_ONLY: [6],
  V4_PREFERRED: [4, 6],
  ALL: [6, 4],
};

/** Lookups by the system occupy threads of Node's pool of four, which files need too: the others wait their turn. */
const maxSystemLookups = 3;

export class NodeDnsResolver implements DnsResolver {
  readonly #resolvers = new Map<string, Resolver>();
  readonly #waiting: (() => void)[] = [];
  #systemLookups = 0;

  resolve(query: DnsQuery, done: (answer: DnsAnswer) => void): void {
    this.#ask(query, familyOrder[query.family], [], done);
  }

  #ask(
    query: DnsQuery,
    [family, ...rest]: readonly Family[],
    known: readonly DnsAnswer[],
    done: (answer: DnsAnswer) => void,
  ): void {
    if (family === undefined) {
      done(joinAnswers(known));
      return;
    }
    const onAnswer = (answer: DnsAnswer): void => {
      const isEnough = answer.kind === 'addresses' && query.family !== 'ALL';
      if (isEnough) done(answer);
      else this.#ask(query, rest, [...known, answer], done);
    };
    if (query.servers.length === 0) this.#askSystem(query.name, family, onAnswer);
    else this.#askServers(query, family, onAnswer);
  }

  #askSystem(name: string, family: Family, done: (answer: DnsAnswer) => void): void {
    if (this.#systemLookups === maxSystemLookups) {
      this.#waiting.push(() => this.#askSystem(name, family, done));
      return;
    }
    this.#systemLookups += 1;
    lookup(name, { family, all: true, verbatim: true }, (error, records) => {
      this.#systemLookups -= 1;
      this.#waiting.shift()?.();
      done(
        toAnswer(
          error,
          records?.map(({ address }) => address),
          undefined,
        ),
      );
    });
  }

  #askServers(query: DnsQuery, family: Family, done: (answer: DnsAnswer) => void): void {
    const onRecords = (error: NodeJS.ErrnoException | null, records: RecordWithTtl[] | undefined): void => {
      const ttls = records?.map(({ ttl }) => ttl * 1000) ?? [];
      done(
        toAnswer(
          error,
          records?.map(({ address }) => address),
          Math.min(...ttls),
        ),
      );
    };
    const resolver = this.#resolverOf(query);
    if (family === 4) resolver.resolve4(query.name, { ttl: true }, onRecords);
    else resolver.resolve6(query.name, { ttl: true }, onRecords);
  }

  #resolverOf({ servers, timeoutMs }: DnsQuery): Resolver {
    const key = `${servers.join(' ')} ${timeoutMs}`;
    let resolver = this.#resolvers.get(key);
    if (resolver === undefined) {
      // A packet may get lost: two tries within the time that there is.
      resolver = new Resolver({ timeout: Math.ceil(timeoutMs / 2), tries: 2 });
      resolver.setServers(servers);
      this.#resolvers.set(key, resolver);
    }
    return resolver;
  }
}

function toAnswer(
  error: NodeJS.ErrnoException | null,
  addresses: readonly string[] | undefined,
  ttlMs: number | undefined,
): DnsAnswer {
  if (error !== null) return { kind: 'failure', code: error.code ?? 'EFAIL' };
  if (addresses === undefined || addresses.length === 0) return { kind: 'failure', code: 'ENODATA' };
  return { kind: 'addresses', addresses, ttlMs };
}

function joinAnswers(answers: readonly DnsAnswer[]): DnsAnswer {
  const found = answers.filter((answer) => answer.kind === 'addresses');
  if (found.length === 0) return answers.at(-1) ?? { kind: 'failure', code: 'ENODATA' };
  const ttls = found.flatMap(({ ttlMs }) => ttlMs ?? []);
  return {
    kind: 'addresses',
    addresses: found.flatMap(({ addresses }) => addresses),
    ttlMs: ttls.length === 0 ? undefined : Math.min(...ttls),
  };
}

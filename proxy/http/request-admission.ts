/**
 * Which requests are let in, and in which form: names and paths that others may read in another way than the proxy are
 * refused, changed or sent back. Made where the configuration asks for it only.
 */
import type { EscapedSlashesAction, HttpConnectionManager, UnderscoresAction } from '../api/listener.ts';
import { MeshError } from '../common/errors.ts';
import type { Stat, StatsStore } from '../common/stats.ts';
import { HeaderName } from './header-name.ts';
import { fieldStride, type HeaderMap } from './header-map.ts';
import { createPathNormalizer, hasEscapedSlashes, type PathNormalizer, unescapeSlashes } from './path-normalizer.ts';
import type { HttpStream } from './stream.ts';

type Config = Pick<
  HttpConnectionManager,
  'normalizesPath' | 'mergesSlashes' | 'escapedSlashes' | 'underscoresInHeaders' | 'statPrefix'
>;

/** Undefined where requests are let in as they come. */
export function createRequestAdmission(config: Config, stats: StatsStore): RequestAdmission | undefined {
  const normalizePath = createPathNormalizer(config);
  const { escapedSlashes, underscoresInHeaders } = config;
  const isOff = normalizePath === undefined && escapedSlashes === 'KEEP_UNCHANGED' && underscoresInHeaders === 'ALLOW';
  return isOff ? undefined : new RequestAdmission(config, normalizePath, new AdmissionStats(stats, config.statPrefix));
}

const locationName = new HeaderName('location');
const pathDetails = 'path_normalization_failed';

export class RequestAdmission {
  readonly #normalizePath: PathNormalizer | undefined;
  readonly #escapedSlashes: EscapedSlashesAction;
  readonly #underscores: UnderscoresAction;
  readonly #stats: AdmissionStats;

  constructor(
    { escapedSlashes, underscoresInHeaders }: Config,
    normalizePath: PathNormalizer | undefined,
    stats: AdmissionStats,
  ) {
    this.#normalizePath = normalizePath;
    this.#escapedSlashes = escapedSlashes;
    this.#underscores = underscoresInHeaders;
    this.#stats = stats;
  }

  /** False: the request was answered. */
  admit(stream: HttpStream): boolean {
    const { request } = stream;
    if (this.#underscores !== 'ALLOW' && !this.#admitNames(stream)) return false;
    if (this.#escapedSlashes !== 'KEEP_UNCHANGED' && hasEscapedSlashes(request.path)) {
      return this.#admitEscapedSlashes(stream);
    }
    if (this.#normalizePath === undefined) return true;
    const path = this.#normalizePath(request.path);
    if (path === undefined) return this.#refusePath(stream);
    replacePath(stream, path);
    return true;
  }

  /** `a_b` and `a-b` are one variable to CGI, and two headers to the rules about them. */
  #admitNames(stream: HttpStream): boolean {
    const { headers } = stream.request;
    let found = nextWithUnderscore(headers, 0);
    if (found < 0) return true;
    if (this.#underscores === 'REJECT_REQUEST') {
      this.#stats.rejectedUnderscores.value += 1;
      const details = 'http1.unexpected_underscore';
      stream.sendLocalReply(new MeshError('bad_request', 'a header name has an underscore', { details }));
      return false;
    }
    for (; found >= 0; found = nextWithUnderscore(headers, found + 1)) {
      headers.removeAt(found);
      this.#stats.droppedUnderscores.value += 1;
    }
    return true;
  }

  #admitEscapedSlashes(stream: HttpStream): boolean {
    const { request } = stream;
    if (this.#escapedSlashes === 'REJECT_REQUEST') return this.#refusePath(stream);
    const unescaped = unescapeSlashes(request.path);
    const path = this.#normalizePath === undefined ? unescaped : this.#normalizePath(unescaped);
    if (path === undefined) return this.#refusePath(stream);
    replacePath(stream, path);
    if (this.#escapedSlashes === 'UNESCAPE_AND_FORWARD') return true;
    // Whoever decides by the path, in front of the proxy or in it, is to see the one that is meant.
    this.#stats.redirectedPaths.value += 1;
    stream.localReplyDetails = pathDetails;
    // With two slashes in front it would name another host.
    stream.prepareLocalReply(307).headers.add(locationName, request.path.replace(/^\/{2,}/, '/'));
    stream.encodeHeaders(true);
    return false;
  }

  #refusePath(stream: HttpStream): false {
    this.#stats.failedPaths.value += 1;
    stream.localReplyDetails = pathDetails;
    stream.sendDirectResponse(400, '');
    return false;
  }
}

function replacePath({ request }: HttpStream, path: string): void {
  if (path === request.path) return;
  request.path = path;
  request.hasOriginalStartLine = false;
}

/** Index of the first header at or after `from` whose name has an underscore, or -1. */
function nextWithUnderscore(headers: HeaderMap, from: number): number {
  const { text, fields, count } = headers;
  for (let i = from, at = from * fieldStride; i < count; i++, at += fieldStride) {
    const start = fields[at] ?? 0;
    const end = fields[at + 1] ?? 0;
    if (end > start && text.slice(start, end).includes('_')) return i;
  }
  return -1;
}

/** Envoy's names. */
class AdmissionStats {
  readonly rejectedUnderscores: Stat;
  readonly droppedUnderscores: Stat;
  readonly failedPaths: Stat;
  readonly redirectedPaths: Stat;

  constructor(stats: StatsStore, statPrefix: string) {
    this.rejectedUnderscores = stats.counter('http1.requests_rejected_with_underscores_in_headers');
    this.droppedUnderscores = stats.counter('http1.dropped_headers_with_underscores');
    this.failedPaths = stats.counter(`http.${statPrefix}.downstream_rq_failed_path_normalization`);
    this.redirectedPaths = stats.counter(`http.${statPrefix}.downstream_rq_redirected_with_normalized_path`);
  }
}

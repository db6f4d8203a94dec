/** Heads of requests and responses as the filters see them; pooled with the stream that owns them. */
import { HeaderMap } from './header-map.ts';
import { Trailers } from './trailers.ts';

export class RequestHead {
  readonly headers = new HeaderMap();
  method = '';
  /** Path and query as received, in origin form (`/a?b`), or `*`. */
  path = '';
  /** Host header or the authority of an absolute-form target, as received. */
  authority = '';
  /** 0 or 1: the minor HTTP/1 version; 2 for HTTP/2, which has no text of a start line to be sent on. */
  minorVersion = 1;
  /** Declared body: bytes, `chunkedBody`, or 0. */
  contentLength = 0;
  expectsContinue = false;
  /** The protocol that the client asks to switch to, as received; empty when it does not ask. */
  upgrade = '';
  /** The received start line can be forwarded as it is: HTTP/1.1, origin form, nothing rewritten. */
  hasOriginalStartLine = false;
  /** The client takes trailers (`te: trailers`), and they get this far: it speaks HTTP/2. */
  acceptsTrailers = false;
  /** Behind the body, there when its end is; empty where there are none. Only HTTP/2 carries them. */
  readonly trailers = new Trailers();

  /** Becomes a copy that outlives `other`. */
  copyFrom(other: RequestHead): void {
    this.headers.copyFrom(other.headers);
    this.method = other.method;
    this.path = other.path;
    this.authority = other.authority;
    this.minorVersion = other.minorVersion;
    this.contentLength = other.contentLength;
    this.expectsContinue = other.expectsContinue;
    this.upgrade = other.upgrade;
    this.hasOriginalStartLine = other.hasOriginalStartLine;
    this.acceptsTrailers = other.acceptsTrailers;
  }

  reset(): void {
    this.headers.reset();
    this.method = '';
    this.path = '';
    this.authority = '';
    this.minorVersion = 1;
    this.contentLength = 0;
    this.expectsContinue = false;
    this.upgrade = '';
    this.hasOriginalStartLine = false;
    this.acceptsTrailers = false;
    this.trailers.clear();
  }
}

export class ResponseHead {
  readonly headers = new HeaderMap();
  status = 0;
  /** As received; empty for local replies, which use the standard phrase. */
  reason = '';
  /** As in requests. */
  minorVersion = 1;
  /** Declared body: bytes, `chunkedBody`, `untilClose`, or 0. */
  contentLength = 0;
  /** Behind the body, there when its end is; empty where there are none. Only HTTP/2 carries them. */
  readonly trailers = new Trailers();

  reset(): void {
    this.headers.reset();
    this.trailers.clear();
    this.status = 0;
    this.reason = '';
    this.minorVersion = 1;
    this.contentLength = 0;
  }
}

/** Of connections that carry none: all share them. */
export const noRequest = new RequestHead();
export const noResponse = new ResponseHead();

/** Body lengths that are not a number of bytes. */
export const chunkedBody = -1;
/** The body ends where the connection does (RFC 9112 §6.3 rule 8). */
export const untilClose = -2;

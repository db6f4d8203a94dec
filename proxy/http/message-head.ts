/** Heads of requests and responses as the filters see them; pooled with the stream that owns them. */
import { HeaderMap } from './header-map.ts';

export class RequestHead {
  readonly headers = new HeaderMap();
  method = '';
  /** Path and query as received, in origin form (`/a?b`), or `*`. */
  path = '';
  /** Host header or the authority of an absolute-form target, as received. */
  authority = '';
  /** 0 or 1: the minor HTTP/1 version. */
  minorVersion = 1;
  /** Declared body: bytes, `chunkedBody`, or 0. */
  contentLength = 0;
  expectsContinue = false;
  /** The protocol that the client asks to switch to, as received; empty when it does not ask. */
  upgrade = '';
  /** The received start line can be forwarded as it is: HTTP/1.1, origin form, nothing rewritten. */
  hasOriginalStartLine = false;

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
  }
}

export class ResponseHead {
  readonly headers = new HeaderMap();
  status = 0;
  /** As received; empty for local replies, which use the standard phrase. */
  reason = '';
  minorVersion = 1;
  /** Declared body: bytes, `chunkedBody`, `untilClose`, or 0. */
  contentLength = 0;

  reset(): void {
    this.headers.reset();
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

/** The form of the corpus: requests as bytes, what of them reaches the upstream, what comes back. */

export interface RequestCase {
  readonly name: string;
  /** What the client sends, latin1. */
  readonly send: string;
  /** What the upstream receives, one entry per request: the exact head and the content of the body. */
  readonly upstream: readonly { readonly head: string; readonly body: string }[];
  /** Statuses the client gets, interim ones too. */
  readonly statuses: readonly number[];
  /** The proxy closes the connection afterwards. */
  readonly closes: boolean;
  /** The connection ends with a reset instead of an end. */
  readonly heads: ReadonlySet<number>;
}

/** Lines joined with CRLF and an empty line at the end. */
export function head(...lines: readonly string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** The head as the upstream sees it: the lines that are left and, behind them, what the proxy adds. */
export function forwarded(
  lines: readonly string[],
  body = '',
  framing: readonly string[] = [],
): RequestCase['upstream'][0] {
  return { head: head(...lines, 'x-forwarded-proto: http', ...framing), body };
}

export const chunkedLine = 'transfer-encoding: chunked';

interface AcceptedCase {
  readonly send: string;
  readonly upstream: RequestCase['upstream'];
  readonly statuses?: readonly number[];
  readonly closes?: boolean;
  readonly heads?: readonly number[];
}

/** A message that is forwarded, by default one answered with 200 on a connection that stays open. */
export function accepted(name: string, { send, upstream, statuses, closes, heads }: AcceptedCase): RequestCase {
  return {
    name,
    send,
    upstream,
    statuses: statuses ?? upstream.map(() => 200),
    closes: closes ?? false,
    heads: new Set(heads),
  };
}

/** A message of which nothing is forwarded: `status`, then the connection closes. */
export function refused(name: string, send: string, status = 400): RequestCase {
  return { name, send, upstream: [], statuses: [status], closes: true, heads: new Set() };
}

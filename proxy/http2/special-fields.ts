/** Fields that HTTP/2 does not carry, or not in every message. */

/** What fields say that cannot be forwarded, or not in every message (RFC 9113 §8.2.2, §8.2.3). */
export type Special = 'connection' | 'te' | 'host' | 'cookie' | 'content-length' | 'expect';

export const specialNames: ReadonlyMap<string, Special> = new Map([
  ['connection', 'connection'],
  ['keep-alive', 'connection'],
  ['proxy-connection', 'connection'],
  ['transfer-encoding', 'connection'],
  ['upgrade', 'connection'],
  ['te', 'te'],
  ['host', 'host'],
  ['cookie', 'cookie'],
  ['content-length', 'content-length'],
  ['expect', 'expect'],
]);

/** Of a pseudo-header. */
export const colon = 58;

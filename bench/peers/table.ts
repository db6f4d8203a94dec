import { envoy } from './envoy.ts';
import { haproxy } from './haproxy.ts';
import { heddleMesh } from './heddle-mesh.ts';
import { heddle } from './heddle.ts';
import { httpProxy, httpProxyWithoutAgent } from './http-proxy.ts';
import { nginx } from './nginx.ts';
import type { Peer } from './peer.ts';
import { undici } from './undici.ts';

/** Every peer, in the order of the report. */
export const peers: readonly Peer[] = [
  heddle,
  heddleMesh,
  haproxy,
  nginx,
  envoy,
  undici,
  httpProxy,
  httpProxyWithoutAgent,
];

/** All ratios of the report are against this one. */
export const referencePeer = haproxy.name;

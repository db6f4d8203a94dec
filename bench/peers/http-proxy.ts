import { nodePeer } from './node-peer.ts';

export const httpProxy = nodePeer({
  name: 'http-proxy',
  setup: 'with a keep-alive agent',
  program: 'http-proxy-proxy',
  args: ['keep-alive'],
  npmPackage: 'http-proxy',
});

/** As its documentation starts it: every request opens and closes a connection to the backend. */
export const httpProxyWithoutAgent = nodePeer({
  name: 'http-proxy (no agent)',
  setup: 'as it comes, one backend connection per request',
  program: 'http-proxy-proxy',
  npmPackage: 'http-proxy',
});

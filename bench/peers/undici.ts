import { nodePeer } from './node-peer.ts';

export const undici = nodePeer({
  name: 'node:http + undici',
  setup: 'node:http server, Pool.dispatch',
  program: 'undici-proxy',
  npmPackage: 'undici',
});

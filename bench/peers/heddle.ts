import { heddleCommand, probeHeddle } from './heddle-program.ts';
import { hopBootstrap } from './hop-bootstrap.ts';
import type { Peer } from './peer.ts';

export const heddle: Peer = {
  name: 'heddle',
  setup: 'static bootstrap, one route, one cluster',
  probe: probeHeddle,
  start: (scene) => scene.startProxy(heddleCommand('proxy', '-c', scene.writeFile('heddle.yaml', hopBootstrap(scene)))),
};

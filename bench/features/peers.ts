/** Heddle and Envoy with one feature each, from the same bootstraps, and what they are compared with. */
import { readBootstrap } from '../../proxy/bootstrap.ts';
import { envoy } from '../peers/envoy.ts';
import { envoyCommand } from '../peers/envoy-program.ts';
import { haproxy } from '../peers/haproxy.ts';
import { heddle } from '../peers/heddle.ts';
import { heddleCommand, probeHeddle } from '../peers/heddle-program.ts';
import { hopBootstrap } from '../peers/hop-bootstrap.ts';
import type { Peer, PeerProbe } from '../peers/peer.ts';
import { type Feature, type FeatureScene, checkRules, features } from './table.ts';

/** The plain hop that a feature's cost is counted from. */
export interface FeaturePeer extends Peer {
  readonly feature: Feature;
  readonly plain: Peer;
}

/** Only to look at a bootstrap. */
const nowhere: FeatureScene = { port: 1, backend: { ports: [2, 3] } };

const heddleFeatures = features.map((feature): FeaturePeer => {
  const { parts } = feature;
  return {
    name: `heddle + ${feature.name}`,
    setup: feature.setup,
    feature,
    plain: heddle,
    probe: () => probeSupport(feature),
    start: (scene) =>
      scene.startProxy(heddleCommand('proxy', '-c', scene.writeFile('heddle.yaml', hopBootstrap(scene, parts(scene))))),
  };
});

/** Not with everything: under a quota that nobody assigns it refuses all requests, whatever the fallback. */
const envoyFeatures = [checkRules].map((feature): FeaturePeer => {
  const { parts } = feature;
  return {
    name: `envoy + ${feature.name}`,
    setup: feature.setup,
    feature,
    plain: envoy,
    probe: () => envoy.probe(),
    start: (scene) => scene.startProxy(envoyCommand(scene.writeFile('envoy.yaml', hopBootstrap(scene, parts(scene))))),
  };
});

/** In the order of the report. */
export const featurePeers: readonly (Peer | FeaturePeer)[] = [
  haproxy,
  heddle,
  ...heddleFeatures,
  envoy,
  ...envoyFeatures,
];

/** What the proxy does not take of a feature's bootstrap, by name; undefined when it takes all. */
export function refusalOf({ parts }: Pick<Feature, 'parts'>): string | undefined {
  const { errors } = readBootstrap(hopBootstrap(nowhere, parts(nowhere)), 'bench');
  const [first] = errors ?? [];
  return first === undefined ? undefined : `not supported by this build: ${first.path}: ${first.message}`;
}

function probeSupport(feature: Feature): PeerProbe {
  const missing = refusalOf(feature);
  return missing === undefined ? probeHeddle() : { missing };
}

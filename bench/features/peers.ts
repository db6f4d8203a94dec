/** Heddle and Envoy with one feature each, from the same bootstraps, and what they are compared with. */
import { findFreePorts } from '../../pilot/cli/free-ports.ts';
import { readBootstrap } from '../../proxy/bootstrap.ts';
import { envoy } from '../peers/envoy.ts';
import { envoyCommand } from '../peers/envoy-program.ts';
import { haproxy } from '../peers/haproxy.ts';
import { heddle } from '../peers/heddle.ts';
import { heddleCommand, mixerCommand, probeHeddle } from '../peers/heddle-program.ts';
import { hopBootstrap } from '../peers/hop-bootstrap.ts';
import type { Peer, PeerProbe, Scene } from '../peers/peer.ts';
import { type Feature, type FeatureScene, checkRules, features } from './table.ts';

/** The plain hop that a feature's cost is counted from. */
export interface FeaturePeer extends Peer {
  readonly feature: Feature;
  readonly plain: Peer;
}

/** Only to look at a bootstrap. */
const nowhere: FeatureScene = { port: 1, backend: { ports: [2, 3] }, quotaPort: 4 };

const heddleFeatures = features.map((feature): FeaturePeer => {
  const { parts } = feature;
  return {
    name: `heddle + ${feature.name}`,
    setup: feature.setup,
    feature,
    plain: heddle,
    probe: () => probeSupport(feature),
    async start(scene) {
      const quotaPort = feature.usesQuotas === true ? await startMixer(scene) : 0;
      const bootstrap = hopBootstrap(scene, parts({ ...scene, quotaPort }));
      return scene.startProxy(heddleCommand('proxy', '-c', scene.writeFile('heddle.yaml', bootstrap)));
    },
  };
});

async function startMixer(scene: Scene): Promise<number> {
  const [grpcPort = 0, metricsPort = 0] = await findFreePorts(2);
  await scene.startHelper(mixerCommand({ grpcPort, metricsPort }), grpcPort);
  return grpcPort;
}

/** Not with everything: under a quota that nobody assigns it refuses all requests, whatever the fallback. */
const envoyFeatures = [checkRules].map((feature): FeaturePeer => {
  const { parts } = feature;
  return {
    name: `envoy + ${feature.name}`,
    setup: feature.setup,
    feature,
    plain: envoy,
    probe: () => envoy.probe(),
    start(scene) {
      const bootstrap = hopBootstrap(scene, parts({ ...scene, quotaPort: 0 }));
      return scene.startProxy(envoyCommand(scene.writeFile('envoy.yaml', bootstrap)));
    },
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

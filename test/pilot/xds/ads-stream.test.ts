import { beforeEach, describe, expect, test } from 'vitest';
import { decodeDiscoveryResponse } from '../../../proxy/api/discovery.ts';
import { discoveryNameOf, type DiscoveryName, resourceTypes } from '../../../proxy/api/resource-types.ts';
import { createLogger } from '../../../proxy/common/log.ts';
import { AdsStream } from '../../../pilot/xds/ads-stream.ts';
import type { Generator, Generators } from '../../../pilot/xds/generators.ts';
import type { EncodedResource } from '../../../pilot/xds/resource-encoder.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { contextOf, metadataOf } from '../networking/scenario.ts';

/** A world in which every type has the resources that the test puts there. */
let world: Record<DiscoveryName, Map<string, string>>;
let isWritable: boolean;
let written: { type: DiscoveryName; nonce: string }[];
let lines: string[];
let stream: AdsStream;

const resourceOf = (name: string, version: string): EncodedResource => ({
  name,
  version,
  parts: () => [],
});

function generatorOf(type: DiscoveryName): Generator {
  return {
    all: () => new Map([...world[type]].map(([name, version]) => [name, resourceOf(name, version)])),
    lookup: () => (name) => {
      const version = world[type].get(name);
      if (version === 'broken') throw new Error('cannot be translated');
      return version === undefined ? undefined : resourceOf(name, version);
    },
  };
}

function receive(type: DiscoveryName, resourceNames: readonly string[] = [], responseNonce = ''): void {
  const { typeUrl } = resourceTypes[type];
  stream.receive({ typeUrl, versionInfo: '', responseNonce, resourceNames, node: undefined, errorDetail: undefined });
}

beforeEach(() => {
  world = {
    CDS: new Map(),
    EDS: new Map([['e', '1']]),
    SDS: new Map(),
    LDS: new Map(),
    RDS: new Map([
      ['r', '1'],
      ['other', '1'],
    ]),
  };
  isWritable = true;
  written = [];
  lines = [];
  const metadata = metadataOf();
  const context = contextOf('');
  const generators: Generators = {
    CDS: generatorOf('CDS'),
    EDS: generatorOf('EDS'),
    SDS: generatorOf('SDS'),
    LDS: generatorOf('LDS'),
    RDS: generatorOf('RDS'),
  };
  stream = new AdsStream({
    node: { id: 'sidecar', cluster: '', metadata },
    generators,
    context: () => context,
    write: (bytes) => {
      const response = decodeDiscoveryResponse(bytes).value;
      written.push({ type: discoveryNameOf(response?.typeUrl ?? '') ?? 'CDS', nonce: response?.nonce ?? '' });
      return isWritable;
    },
    onListening: () => {},
    onEndpointNames: () => {},
    clock: new ManualClock(),
    logger: createLogger('test', 'warn', (line) => lines.push(line)),
  });
});

describe('ADS stream', () => {
  test('a transport that is full gets nothing more; when it has drained, the latest state', () => {
    isWritable = false;
    receive('EDS', ['e']);
    receive('RDS', ['r']);
    expect(written).toEqual([{ type: 'EDS', nonce: '1' }]);
    receive('EDS', ['e'], '1');
    world.EDS.set('e', '2');
    stream.push(new Set(['e']));
    world.EDS.set('e', '3');
    stream.push(new Set(['e']));
    expect(written).toHaveLength(1);

    isWritable = true;
    stream.resume();
    expect(written.slice(1)).toEqual([{ type: 'EDS', nonce: '2' }]);
    receive('EDS', ['e'], '2');
    expect(written.slice(2)).toEqual([{ type: 'RDS', nonce: '3' }]);
  });

  test('a closed stream writes nothing', () => {
    stream.close();
    receive('EDS', ['e']);
    stream.push();
    expect(written).toEqual([]);
  });

  test('a translation that fails is told and leaves the client its last good; the next change is sent', () => {
    receive('RDS', ['r']);
    receive('RDS', ['r'], '1');
    world.RDS.set('r', 'broken');
    stream.push();
    expect(lines.join('')).toMatch(/translation failed node=sidecar type=RDS error="Error: cannot be translated"/);
    expect(written).toHaveLength(1);
    world.RDS.set('r', '2');
    stream.push();
    expect(written).toHaveLength(2);
  });

  test('a push of endpoints looks at no other type', () => {
    receive('RDS', ['r']);
    receive('RDS', ['r'], '1');
    world.RDS.set('r', '2');
    stream.push(new Set(['e']));
    expect(written).toHaveLength(1);
  });

  test('names that nobody asked for are not sent', () => {
    receive('EDS', ['e']);
    receive('EDS', ['e'], '1');
    world.EDS.set('f', '1');
    stream.push(new Set(['f']));
    expect(written).toHaveLength(1);
  });

  test('an empty set of clusters is an answer too', () => {
    receive('CDS');
    expect(written).toEqual([{ type: 'CDS', nonce: '1' }]);
  });
});

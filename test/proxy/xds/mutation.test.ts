import { describe, expect, test } from 'vitest';
import { encode } from '../../../proxy/api/protojson.ts';
import { type DiscoveryName, resourceTypes } from '../../../proxy/api/resource-types.ts';
import { DynamicConfiguration } from '../../../proxy/xds/dynamic-configuration.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import {
  assignmentJson,
  edsClusterJson,
  listenerJson,
  managerJson,
  rdsListenerJson,
  routeConfigurationJson,
  secretJson,
  staticClusterJson,
  tlsClusterJson,
  typed,
} from '../api/samples.ts';
import { richCluster, richFilters, richManager, richRoutes } from '../rich-resources.ts';
import { RecordingSink } from './recording-sink.ts';
import { type JsonOf, responseOf } from './responses.ts';

const routes: JsonOf<'RDS'> = { ...richRoutes, name: 'mutated' };

/** Per service: a rich resource to be mutated, and a new good one that travels in the same response. */
const resources: { readonly [D in DiscoveryName]: { readonly rich: JsonOf<D>; readonly good: JsonOf<D> } } = {
  CDS: {
    rich: { ...staticClusterJson('mutated', 80, 81), ...richCluster },
    good: edsClusterJson('good'),
  },
  EDS: {
    rich: { ...assignmentJson('mutated', 80, 81), policy: { overprovisioning_factor: 140 } },
    good: assignmentJson('good', 1),
  },
  SDS: {
    rich: {
      name: 'mutated',
      validation_context: {
        trusted_ca: { filename: '/etc/ca.pem' },
        match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'spiffe://' } }],
        verify_certificate_hash: ['0'.repeat(64)],
      },
    },
    good: secretJson('good'),
  },
  LDS: {
    rich: listenerJson('mutated', {
      ...richManager,
      route_config: routes,
      http_filters: [...richFilters, ...(managerJson({}).http_filters ?? [])],
      access_log: [
        { name: 'a', typed_config: typed('envoy.extensions.access_loggers.file.v3.FileAccessLog', { path: '/x' }) },
      ],
    }),
    good: rdsListenerJson('good', 'good'),
  },
  RDS: { rich: routes, good: routeConfigurationJson('good', 'a') },
};

/** Everything that the resources refer to, so that a change of theirs would show. */
async function createConfiguration() {
  const sink = new RecordingSink();
  const configuration = new DynamicConfiguration(
    { clusters: [], listeners: [], hasClusterDiscovery: true, hasListenerDiscovery: true },
    sink,
  );
  const secrets = tlsClusterJson('tls', 'mutated', 'good');
  await configuration.apply(
    'CDS',
    responseOf('CDS', '1', [edsClusterJson('mutated'), edsClusterJson('good'), secrets]),
  );
  await configuration.apply('SDS', responseOf('SDS', '1', [secretJson('mutated')]));
  await configuration.apply('EDS', responseOf('EDS', '1', [assignmentJson('mutated', 7)]));
  await configuration.apply(
    'LDS',
    responseOf('LDS', '1', [rdsListenerJson('m', 'mutated'), rdsListenerJson('g', 'good')]),
  );
  await configuration.apply('RDS', responseOf('RDS', '1', [routeConfigurationJson('mutated', 'mutated')]));
  return { sink, configuration };
}

function mutate(valid: Uint8Array, random: () => number): Uint8Array {
  const pick = (limit: number) => Math.floor(random() * limit);
  const bytes = [...valid];
  for (let changes = 1 + pick(3); changes > 0; changes -= 1) {
    const at = pick(bytes.length);
    const kind = pick(4);
    if (kind === 0) bytes[at] = pick(256);
    else if (kind === 1) bytes[at] = (bytes[at] ?? 0) ^ (1 << pick(8));
    else if (kind === 2) bytes.splice(at, 1 + pick(4));
    else bytes.splice(at, 0, ...bytes.slice(at, at + 1 + pick(16)));
  }
  return Uint8Array.from(bytes);
}

describe('a response with a mutated resource never throws, and is applied whole or not at all', () => {
  test.each<DiscoveryName>(['CDS', 'EDS', 'SDS', 'LDS', 'RDS'])('%s, a thousand times', async (name) => {
    const random = seededRandom(name.charCodeAt(0));
    const { rich, good } = resources[name];
    const valid = encode(resourceTypes[name].messageName, rich as never);
    let { sink, configuration } = await createConfiguration();
    let [accepted, refused] = [0, 0];
    for (let i = 0; i < 1_000; i += 1) {
      const before = sink.snapshot();
      await configuration.apply(name, responseOf(name, `v${i}`, [good as never, mutate(valid, random)]));
      const { status, version } = configuration.subscriptions[name];
      if (status.kind === 'nacked') {
        refused += 1;
        expect(status.errors.length).toBeGreaterThan(0);
        for (const { message } of status.errors) expect(message).not.toBe('');
        expect(version).toBe('1');
        expect(sink.snapshot()).toEqual(before);
        expect(configuration.subscriptions[name].request().errorDetail?.message).not.toBe('');
      } else {
        accepted += 1;
        expect(version).toBe(`v${i}`);
        expect(configuration.subscriptions[name].resources.size).toBeGreaterThan(0);
        ({ sink, configuration } = await createConfiguration());
      }
    }
    expect(accepted).toBeGreaterThan(50);
    expect(refused).toBeGreaterThan(300);
  });
});

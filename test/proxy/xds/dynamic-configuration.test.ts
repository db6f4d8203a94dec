import { describe, expect, test } from 'vitest';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import { decodeListener } from '../../../proxy/api/listener-decoder.ts';
import type { DiscoveryName } from '../../../proxy/api/resource-types.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { DynamicConfiguration, type StaticConfiguration } from '../../../proxy/xds/dynamic-configuration.ts';
import {
  assignmentJson,
  edsClusterJson,
  listenerJson,
  rdsListenerJson,
  routeConfigurationJson,
  secretJson,
  staticClusterJson,
  tlsClusterJson,
} from '../api/samples.ts';
import { RecordingSink } from './recording-sink.ts';
import { type JsonOf, responseOf } from './responses.ts';

const nothingStatic: StaticConfiguration = {
  clusters: [],
  listeners: [],
  hasClusterDiscovery: true,
  hasListenerDiscovery: true,
};

function create(statics: Partial<StaticConfiguration> = {}) {
  const sink = new RecordingSink();
  const configuration = new DynamicConfiguration({ ...nothingStatic, ...statics }, sink);
  const namesOf = (name: DiscoveryName) => configuration.subscriptions[name].request().resourceNames;
  const statusOf = (name: DiscoveryName) => configuration.subscriptions[name].status;
  /** Applies, and returns who has to send a request. */
  const apply = async <D extends DiscoveryName>(name: D, version: string, ...resources: (JsonOf<D> | Uint8Array)[]) =>
    configuration.apply(name, responseOf(name, version, resources));
  return { sink, configuration, apply, namesOf, statusOf };
}

describe('names to ask for', () => {
  test('follow from EDS clusters and from listeners with RDS', async () => {
    const { apply, namesOf, configuration } = create();
    expect(await apply('CDS', '1', edsClusterJson('b'), edsClusterJson('a', 'x'), staticClusterJson('s', 1))).toEqual([
      'CDS',
      'EDS',
    ]);
    expect(namesOf('EDS')).toEqual(['b', 'x']);
    expect(await apply('LDS', '1', rdsListenerJson('l', 'r'), rdsListenerJson('m', 'r'))).toEqual(['LDS', 'RDS']);
    expect(namesOf('RDS')).toEqual(['r']);
    expect(configuration.isComplete).toBe(false);
    await apply('EDS', '1', assignmentJson('b', 1), assignmentJson('x', 2));
    expect(await apply('RDS', '1', routeConfigurationJson('r', 'b'))).toEqual(['RDS']);
    expect(configuration.isComplete).toBe(true);
  });

  test('include those of the bootstrap from the start', () => {
    const cluster = requireValue(decodeCluster(edsClusterJson('mixer')), 'sample');
    const listener = requireValue(decodeListener(rdsListenerJson('l', 'r')), 'sample');
    const { namesOf } = create({ clusters: [cluster], listeners: [listener] });
    expect(namesOf('EDS')).toEqual(['mixer']);
    expect(namesOf('RDS')).toEqual(['r']);
  });

  test('follow from secrets of clusters, whichever cluster has them', async () => {
    const { apply, namesOf, configuration, sink } = create();
    const clusters = [tlsClusterJson('a', 'default', 'ROOTCA'), tlsClusterJson('b', 'other', 'ROOTCA')];
    expect(await apply('CDS', '1', ...clusters)).toEqual(['CDS', 'SDS']);
    expect(namesOf('SDS')).toEqual(['ROOTCA', 'default', 'other']);
    expect(configuration.subscriptions.SDS.isComplete).toBe(false);
    expect(await apply('SDS', '1', secretJson('ROOTCA'), secretJson('default'), secretJson('stray'))).toEqual(['SDS']);
    expect([...sink.secrets.keys()]).toEqual(['ROOTCA', 'default']);
    await apply('SDS', '2', secretJson('other'));
    expect(configuration.subscriptions.SDS.isComplete).toBe(true);
    await apply('CDS', '2', tlsClusterJson('a', 'default', 'ROOTCA'));
    expect(namesOf('SDS')).toEqual(['ROOTCA', 'default']);
    expect([...sink.secrets.keys()]).toEqual(['ROOTCA', 'default']);
    await apply('CDS', '3');
    expect(namesOf('SDS')).toEqual([]);
    expect([...sink.secrets.keys()]).toEqual([]);
  });

  test('do not change with an update that changes nothing about them', async () => {
    const { apply } = create();
    await apply('CDS', '1', edsClusterJson('a'));
    expect(await apply('CDS', '2', { ...edsClusterJson('a'), lb_policy: 'RANDOM' })).toEqual(['CDS']);
  });
});

describe('an update', () => {
  test('that changes nothing does not reach the sink, whatever its version', async () => {
    const { apply, sink, configuration } = create();
    await apply('CDS', '1', edsClusterJson('a'), edsClusterJson('b'));
    await apply('EDS', '1', assignmentJson('a', 1));
    sink.takeCalls();
    await apply('CDS', '2', edsClusterJson('b'), edsClusterJson('a'));
    await apply('EDS', '2', assignmentJson('a', 1));
    expect(sink.takeCalls()).toEqual([]);
    expect(configuration.subscriptions.CDS.version).toBe('2');
    expect(configuration.subscriptions.EDS.status).toEqual({ kind: 'acked' });
  });

  test('of one assignment leaves the others alone', async () => {
    const { apply, sink } = create();
    await apply('CDS', '1', edsClusterJson('a'), edsClusterJson('b'));
    await apply('EDS', '1', assignmentJson('a', 1), assignmentJson('b', 2));
    sink.takeCalls();
    await apply('EDS', '2', assignmentJson('a', 3), assignmentJson('b', 2));
    await apply('EDS', '3', assignmentJson('b', 4));
    expect(sink.takeCalls()).toEqual(['assignment a', 'assignment b']);
    expect(sink.assignments.get('a')?.endpoints[0]?.port).toBe(3);
  });

  test('of what nobody asked for is not applied', async () => {
    const { apply, sink, statusOf } = create();
    await apply('CDS', '1', edsClusterJson('a'));
    sink.takeCalls();
    await apply('EDS', '1', assignmentJson('stranger', 1));
    expect(sink.takeCalls()).toEqual([]);
    expect(statusOf('EDS')).toEqual({ kind: 'acked' });
  });

  test('without any resources removes all clusters and listeners', async () => {
    const { apply, sink, namesOf } = create();
    await apply('CDS', '1', edsClusterJson('a'));
    await apply('LDS', '1', rdsListenerJson('l', 'r'));
    expect(await apply('LDS', '2')).toEqual(['LDS', 'RDS']);
    expect(await apply('CDS', '2')).toEqual(['CDS', 'EDS']);
    expect(sink.snapshot()).toMatchObject({ clusters: [], listeners: [] });
    expect([namesOf('EDS'), namesOf('RDS')]).toEqual([[], []]);
  });

  test('of a cluster or listener is followed by the endpoints or routes that are known already', async () => {
    const { apply, sink } = create();
    await apply('CDS', '1', edsClusterJson('a'));
    await apply('EDS', '1', assignmentJson('a', 1));
    await apply('LDS', '1', rdsListenerJson('l', 'r'));
    await apply('RDS', '1', routeConfigurationJson('r', 'a'));
    sink.takeCalls();
    await apply('CDS', '2', { ...edsClusterJson('a'), lb_policy: 'RANDOM' });
    await apply('LDS', '2', { ...rdsListenerJson('l', 'r'), traffic_direction: 'OUTBOUND' });
    expect(sink.takeCalls()).toEqual(['clusters a', 'assignment a', 'listeners l', 'routes r']);
  });
});

describe('make before break', () => {
  test('a cluster that routes still name vanishes only after they have moved on', async () => {
    const { apply, sink, namesOf } = create();
    await apply('CDS', '1', edsClusterJson('old'), edsClusterJson('unused'));
    await apply('LDS', '1', rdsListenerJson('l', 'r'));
    await apply('RDS', '1', routeConfigurationJson('r', 'old'));
    sink.takeCalls();

    await apply('CDS', '2', edsClusterJson('new'));
    expect(sink.takeCalls()).toEqual(['clusters old,new']);
    expect(namesOf('EDS')).toEqual(['new', 'old']);

    expect(await apply('RDS', '2', routeConfigurationJson('r', 'new'))).toEqual(['RDS', 'EDS']);
    expect(sink.takeCalls()).toEqual(['routes r', 'clusters new']);
    expect(namesOf('EDS')).toEqual(['new']);
  });

  test('the same for routes inside a listener, and when the listener itself goes', async () => {
    const { apply, sink } = create();
    await apply('CDS', '1', edsClusterJson('a'));
    await apply('LDS', '1', listenerJson('l', { route_config: routeConfigurationJson('r', 'a') }));
    await apply('CDS', '2');
    expect(sink.clusters.map(({ name }) => name)).toEqual(['a']);
    await apply('LDS', '2');
    expect(sink.clusters).toEqual([]);
  });

  test('a cluster that comes back in between is the new one', async () => {
    const { apply, sink } = create();
    await apply('CDS', '1', edsClusterJson('a'));
    await apply('LDS', '1', listenerJson('l', { route_config: routeConfigurationJson('r', 'a') }));
    await apply('CDS', '2');
    await apply('CDS', '3', { ...edsClusterJson('a'), lb_policy: 'RANDOM' });
    expect(sink.clusters).toMatchObject([{ name: 'a', lbPolicy: 'RANDOM' }]);
  });
});

describe('a bad resource', () => {
  const bad = { ...edsClusterJson('bad'), lb_policy: 'CLUSTER_PROVIDED' as const };

  test('among good ones spoils them all, names every fault, and leaves the last good version in force', async () => {
    const { apply, sink, configuration } = create();
    await apply('CDS', '1', edsClusterJson('a'));
    const before = sink.snapshot();
    sink.takeCalls();
    expect(await apply('CDS', '2', edsClusterJson('b'), bad, { name: 'worse' }, Buffer.from('ff', 'hex'))).toEqual([
      'CDS',
    ]);
    expect(sink.takeCalls()).toEqual([]);
    expect(sink.snapshot()).toEqual(before);
    const request = configuration.subscriptions.CDS.request();
    expect(request).toMatchObject({ versionInfo: '1', responseNonce: 'nonce-2', errorDetail: { code: 3 } });
    expect(request.errorDetail?.message.split('\n')).toEqual([
      'bad: lb_policy: "CLUSTER_PROVIDED" is not supported, only ROUND_ROBIN, LEAST_REQUEST, RANDOM, RING_HASH, MAGLEV',
      'worse: load_assignment: must be set',
      expect.stringMatching(/^resources\[3\]: must be an encoded envoy.config.cluster.v3.Cluster: /),
    ]);
  });

  test('may be one that is there twice, of another type, without a name, or called like a static one', async () => {
    const cluster = requireValue(decodeCluster(edsClusterJson('fixed')), 'sample');
    const { apply, configuration, statusOf } = create({ clusters: [cluster] });
    await apply('CDS', '1', edsClusterJson('a'), edsClusterJson('a'));
    expect(statusOf('CDS')).toEqual({ kind: 'nacked', errors: [{ path: 'a', message: 'must be there only once' }] });
    await apply('CDS', '2', edsClusterJson('fixed'));
    expect(statusOf('CDS')).toMatchObject({
      errors: [{ path: 'fixed', message: 'must not have the name of a static resource' }],
    });
    await apply('LDS', '1');
    await configuration.apply('RDS', {
      ...responseOf('RDS', '1', []),
      resources: responseOf('CDS', '1', [{ name: 'c' }]).resources,
    });
    expect(statusOf('RDS')).toMatchObject({
      errors: [
        {
          path: 'c',
          message: expect.stringContaining(
            'RouteConfiguration, got "type.googleapis.com/envoy.config.cluster.v3.Cluster"',
          ),
        },
      ],
    });
    await apply('RDS', '2', routeConfigurationJson('', 'a'));
    expect(statusOf('RDS')).toMatchObject({ errors: [{ path: 'resources[0]', message: 'must have a name' }] });
  });

  test('is forgotten with the next good version', async () => {
    const { apply, sink, statusOf, configuration } = create();
    await apply('CDS', '1', bad);
    await apply('CDS', '2', edsClusterJson('a'));
    expect(statusOf('CDS')).toEqual({ kind: 'acked' });
    expect(configuration.subscriptions.CDS.request().errorDetail).toBeUndefined();
    expect(sink.clusters).toMatchObject([{ name: 'a' }]);
  });

  test('by the thousand is reported by the hundred', async () => {
    const { apply, configuration } = create();
    await apply('CDS', '1', ...Array.from({ length: 1000 }, (_, i) => ({ ...bad, name: `bad-${i}` })));
    const lines = configuration.subscriptions.CDS.request().errorDetail?.message.split('\n');
    expect(lines).toHaveLength(101);
    expect(lines?.at(-1)).toBe('… and 900 more');
  });
});

describe('a sink that refuses', () => {
  const fault = { path: 'address', message: 'is in use' };

  test('clusters or listeners has them refused, and the old ones stay', async () => {
    const { apply, sink, statusOf, namesOf } = create();
    sink.faults.set('clusters a', [fault]).set('listeners l', [fault]);
    await apply('CDS', '1', edsClusterJson('a'));
    await apply('LDS', '1', rdsListenerJson('l', 'r'));
    expect(statusOf('CDS')).toEqual({ kind: 'nacked', errors: [fault] });
    expect(statusOf('LDS')).toEqual({ kind: 'nacked', errors: [fault] });
    expect([namesOf('EDS'), namesOf('RDS')]).toEqual([[], []]);
  });

  test('one of several assignments gets those before it taken back', async () => {
    const { apply, sink, statusOf } = create();
    await apply('CDS', '1', edsClusterJson('a'), edsClusterJson('b'));
    await apply('EDS', '1', assignmentJson('a', 1), assignmentJson('b', 2));
    const before = sink.snapshot();
    sink.faults.set('assignment b', [fault]);
    await apply('EDS', '2', assignmentJson('a', 3), assignmentJson('b', 4));
    expect(statusOf('EDS')).toEqual({ kind: 'nacked', errors: [{ path: 'b: address', message: 'is in use' }] });
    expect(sink.snapshot()).toEqual(before);
  });
});

import { describe, expect, test } from 'vitest';
import type { MeshConfig } from '../../../crds/mesh-config.ts';
import type { AccessLogging } from '../../../crds/telemetry.ts';
import { Telemetries, type Telemetry, type WorkloadMode } from '../../../pilot/model/telemetries.ts';

interface Level {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly accessLogging: readonly AccessLogging[];
}

/** Each is younger than the one before it. */
function telemetriesOf(levels: readonly Level[], meshConfig: MeshConfig = {}): Telemetries {
  const resources = levels.map(({ namespace = 'default', labels, accessLogging }, i): Telemetry => {
    const metadata = {
      name: `t${i}`,
      namespace,
      uid: `${i}`,
      resourceVersion: '1',
      generation: 1,
      creationTimestamp: new Date(Date.UTC(2026, 0, 1, 0, 0, i)).toISOString(),
    };
    const selector = labels === undefined ? {} : { selector: { matchLabels: labels } };
    const spec = { ...selector, accessLogging: [...accessLogging] };
    return { apiVersion: 'telemetry.istio.io/v1', kind: 'Telemetry', metadata, spec };
  });
  return new Telemetries(resources, meshConfig);
}

const named = (...names: string[]): { name: string }[] => names.map((name) => ({ name }));
const file = (name: string) => ({ name, envoyFileAccessLog: { path: `/${name}` } });
const extensionProviders = ['a', 'b', 'c'].map(file);
const client = { namespace: 'default', labels: { app: 'web' } };

/** `PATH` or `PATH if EXPRESSION` of each log of a workload of the namespace `default` with the label `app: web`. */
function logsOf(levels: readonly Level[], meshConfig: MeshConfig = {}, mode: WorkloadMode = 'CLIENT'): string[] {
  const telemetries = telemetriesOf(levels, { extensionProviders, ...meshConfig });
  return telemetries.logsOf(client, mode).map(({ provider, expression }) => {
    const path = ('envoyFileAccessLog' in provider && provider.envoyFileAccessLog.path) || '';
    return expression === undefined ? path : `${path} if ${expression}`;
  });
}

describe('without a Telemetry', () => {
  test('nothing is logged unless the mesh configuration says so', () => {
    expect(logsOf([])).toEqual([]);
    expect(logsOf([], { accessLogFile: '' })).toEqual([]);
    expect(logsOf([], { accessLogFile: '/x' })).toEqual(['/x']);
  });

  test('default providers log instead of the file of the mesh, in the order of their names', () => {
    const defaultProviders = { accessLogging: ['b', 'A', 'envoy'] };
    expect(logsOf([], { accessLogFile: '/x', defaultProviders })).toEqual(['/a', '/b', '/dev/stdout']);
    expect(logsOf([], { accessLogFile: '/x', defaultProviders: { accessLogging: [] } })).toEqual(['/x']);
  });
});

describe('a Telemetry', () => {
  test('names the providers that log, in any letter case', () => {
    expect(logsOf([{ accessLogging: [{ providers: named('B', 'a') }] }], { accessLogFile: '/x' })).toEqual([
      '/a',
      '/b',
    ]);
  });

  test('of another namespace, or that selects others, changes nothing', () => {
    const accessLogging = [{ providers: named('a') }];
    const others = [
      { namespace: 'other', accessLogging },
      { labels: { app: 'db' }, accessLogging },
      { namespace: 'istio-system', labels: { app: 'web' }, accessLogging },
      { namespace: 'other', labels: { app: 'web' }, accessLogging },
    ];
    expect(logsOf(others, { accessLogFile: '/x' })).toEqual(['/x']);
  });

  test('of clients or servers is about listeners of that direction only', () => {
    const levels = [{ accessLogging: [{ match: { mode: 'SERVER' as const }, providers: named('a') }] }];
    expect(logsOf(levels, { accessLogFile: '/x' }, 'SERVER')).toEqual(['/a']);
    expect(logsOf(levels, { accessLogFile: '/x' }, 'CLIENT')).toEqual(['/x']);
    const both = [{ accessLogging: [{ match: { mode: 'CLIENT_AND_SERVER' as const }, providers: named('a') }] }];
    expect(logsOf(both, {}, 'SERVER')).toEqual(['/a']);
    expect(logsOf(both, {}, 'CLIENT')).toEqual(['/a']);
  });

  test('with nothing about access logs leaves those of wider levels', () => {
    expect(logsOf([{ accessLogging: [] }], { accessLogFile: '/x' })).toEqual(['/x']);
  });

  test('with a provider that is gone from the mesh configuration logs to the others', () => {
    expect(logsOf([{ accessLogging: [{ providers: named('gone', 'a') }] }])).toEqual(['/a']);
  });
});

describe('levels', () => {
  const root = (entry: AccessLogging): Level => ({ namespace: 'istio-system', accessLogging: [entry] });
  const namespace = (entry: AccessLogging): Level => ({ accessLogging: [entry] });
  const workload = (entry: AccessLogging): Level => ({ labels: { app: 'web' }, accessLogging: [entry] });

  test('the last that names providers decides which log', () => {
    const levels = [
      workload({ providers: named('c') }),
      root({ providers: named('a') }),
      namespace({ providers: named('b') }),
    ];
    expect(logsOf(levels)).toEqual(['/c']);
    expect(logsOf(levels.slice(1))).toEqual(['/b']);
    expect(logsOf(levels.slice(1, 2))).toEqual(['/a']);
  });

  test('one that names none goes on with the providers of the wider one', () => {
    expect(logsOf([root({ providers: named('a', 'b') }), workload({ disabled: true })])).toEqual([]);
    expect(logsOf([root({ providers: named('a'), disabled: true }), namespace({})])).toEqual(['/a']);
  });

  test('of two for a whole namespace only the older one counts', () => {
    expect(logsOf([namespace({ providers: named('a') }), namespace({ providers: named('b') })])).toEqual(['/a']);
  });

  test('all that select a workload count, the youngest last', () => {
    const levels = [workload({ providers: named('a', 'b') }), workload({ providers: named('b'), disabled: true })];
    expect(logsOf(levels)).toEqual([]);
    expect(logsOf([...levels, workload({ providers: named('a', 'b') })])).toEqual(['/a', '/b']);
  });

  test('in the root namespace a workload has the mesh as its namespace', () => {
    const telemetries = telemetriesOf([root({ providers: named('a') })], { extensionProviders });
    const logs = telemetries.logsOf({ namespace: 'istio-system' }, 'CLIENT');
    expect(logs.map(({ provider }) => provider.name)).toEqual(['a']);
  });
});

describe('disabled', () => {
  test('turns off the one that is named', () => {
    const accessLogging = [{ providers: named('a', 'b') }, { providers: named('a'), disabled: true }];
    expect(logsOf([{ accessLogging }])).toEqual(['/b']);
  });

  test('without a name turns off the defaults: the providers, or the file of the mesh', () => {
    const levels = [{ accessLogging: [{ disabled: true }] }];
    expect(logsOf(levels, { defaultProviders: { accessLogging: ['a', 'b'] } })).toEqual([]);
    expect(logsOf(levels, { accessLogFile: '/x' })).toEqual([]);
  });
});

describe('a filter', () => {
  const filter = (expression: string): AccessLogging => ({ filter: { expression } });

  test('is about the providers that stand beside it', () => {
    const accessLogging = [{ providers: named('a'), ...filter('f') }, { providers: named('b') }];
    expect(logsOf([{ accessLogging }])).toEqual(['/a if f', '/b']);
  });

  test('without providers is about those that log anyway', () => {
    expect(logsOf([{ accessLogging: [filter('f')] }], { accessLogFile: '/x' })).toEqual(['/x if f']);
    const defaultProviders = { accessLogging: ['a'] };
    expect(logsOf([{ accessLogging: [filter('f')] }], { defaultProviders })).toEqual(['/a if f']);
  });

  test('stays until a narrower level has its own, or names the provider without one', () => {
    const wide: Level = { namespace: 'istio-system', accessLogging: [{ providers: named('a'), ...filter('f') }] };
    expect(logsOf([wide, { accessLogging: [{}] }])).toEqual(['/a if f']);
    expect(logsOf([wide, { accessLogging: [filter('g')] }])).toEqual(['/a if g']);
    expect(logsOf([wide, { accessLogging: [{ providers: named('a') }] }])).toEqual(['/a']);
  });
});

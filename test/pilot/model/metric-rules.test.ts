import { describe, expect, test } from 'vitest';
import type { MetricsOverride, TelemetrySpec } from '../../../crds/telemetry.ts';
import { metricRulesOf } from '../../../pilot/model/metric-rules.ts';
import { Telemetries } from '../../../pilot/model/telemetries.ts';

const rulesOf = (...overrides: MetricsOverride[]) => {
  const spec: TelemetrySpec = { metrics: [{ overrides }] };
  const metadata = {
    name: 'own',
    namespace: 'default',
    uid: 'u',
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: '2026-01-31T12:00:00Z',
  };
  const telemetry = { apiVersion: 'telemetry.istio.io/v1', kind: 'Telemetry', metadata, spec };
  return metricRulesOf(new Telemetries([telemetry]), { namespace: 'default' }, 'CLIENT');
};

const remove = { operation: 'REMOVE' } as const;
const count = { metric: 'REQUEST_COUNT' } as const;

describe('the overrides of a Telemetry', () => {
  test('none are no rules', () => {
    expect(rulesOf()).toBeUndefined();
    expect(rulesOf({ match: { mode: 'SERVER' }, disabled: true })).toBeUndefined();
  });

  test('for all metrics are rules for all', () => {
    expect(rulesOf({ tagOverrides: { a: remove, b: { value: '"c"' } } })).toEqual({
      droppedMetrics: [],
      removedLabels: ['a'],
      fixedLabels: { b: 'c' },
      ownLabels: {},
    });
  });

  test('for one metric are rules for it, beside those for all', () => {
    expect(rulesOf({ tagOverrides: { a: remove } }, { match: count, tagOverrides: { b: remove } })).toMatchObject({
      removedLabels: ['a'],
      ownLabels: { istio_requests_total: { removedLabels: ['b'], fixedLabels: {} } },
    });
  });

  test('the later one counts, for one metric and for all of them', () => {
    const first = { tagOverrides: { a: remove } };
    const { removedLabels, ownLabels } = rulesOf(first, { match: count, tagOverrides: { a: { value: "'x'" } } }) ?? {};
    // What one metric has differs for all: each has its own.
    expect(removedLabels).toEqual([]);
    expect(ownLabels?.['istio_requests_total']).toEqual({ removedLabels: [], fixedLabels: { a: 'x' } });
    expect(ownLabels?.['istio_request_bytes']).toEqual({ removedLabels: ['a'], fixedLabels: {} });
    expect(rulesOf({ match: count, tagOverrides: { a: { value: '"x"' } } }, first)).toMatchObject({
      removedLabels: ['a'],
      ownLabels: {},
    });
  });
});

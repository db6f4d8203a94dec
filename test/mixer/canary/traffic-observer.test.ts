import { describe, expect, test } from 'vitest';
import { latencyHistory, TrafficObserver, type Vantage } from '../../../mixer/canary/traffic-observer.ts';
import { defaultLimits } from '../../../mixer/options.ts';
import { Ledger } from '../../../mixer/telemetry/ledger.ts';
import type { Instance } from '../../../mixer/telemetry/instance.ts';
import type { Sample } from '../../../mixer/telemetry/sample.ts';
import { Totals } from '../../../mixer/telemetry/totals.ts';
import { startMs } from '../samples.ts';
import { durations, host, requests, series, type ReportedSeries } from './samples.ts';

function createMixer(limits = {}) {
  const totals = new Totals({ ...defaultLimits, ...limits });
  const observer = new TrafficObserver();
  const ledger = new Ledger(totals, { ...defaultLimits, ...limits }, { traffic: observer });
  observer.watch({ host, version: 'v2' });
  const open = (id: string, nowMs = startMs): Instance => ledger.openStream(id, nowMs)!;
  const read = (vantage: Vantage = 'client', version = 'v2') => {
    const { requests: sent, errors } = observer.read({ host, version }, vantage);
    return { requests: sent, errors };
  };
  return { totals, observer, ledger, open, read };
}

/** An instance whose first report is over. */
function createMet(limits = {}) {
  const mixer = createMixer(limits);
  const instance = mixer.open('web');
  const report = (sample: Sample, nowMs = startMs) => mixer.ledger.apply(instance, sample, nowMs);
  const hello = series({ version: 'v0' });
  report(requests(hello, 1, startMs));
  report(requests(hello, 2, startMs));
  return { ...mixer, instance, report };
}

describe('what an instance counted before it was met', () => {
  test('is no traffic, in however many messages it comes', () => {
    const { ledger, open, read } = createMixer();
    const web = open('web');
    for (const code of ['200', '500', '503']) {
      ledger.apply(web, requests(series({ version: 'v2', code }), 1000, startMs - 5000), startMs);
    }
    expect(read()).toEqual({ requests: 0, errors: 0 });
  });

  test('what it adds after that is, and so is the first of a kind', () => {
    const { ledger, open, read } = createMixer();
    const web = open('web');
    const good = series({ version: 'v2' });
    ledger.apply(web, requests(good, 1000, startMs), startMs);
    ledger.apply(web, requests(good, 1007, startMs), startMs + 1000);
    ledger.apply(web, requests(series({ version: 'v2', code: '503' }), 2, startMs), startMs + 1000);
    expect(read()).toEqual({ requests: 9, errors: 2 });
  });

  test('a quiet instance is met after ten seconds: its first failure counts', () => {
    const { ledger, open, read } = createMixer();
    const web = open('web');
    ledger.apply(web, requests(series({ version: 'v1' }), 5, startMs), startMs);
    ledger.apply(web, requests(series({ version: 'v2', code: '503' }), 1, startMs), startMs + 10_000);
    expect(read()).toEqual({ requests: 1, errors: 1 });
  });

  test('a stream that breaks within the first report does not make a past of it', () => {
    const { ledger, open, read } = createMixer();
    const first = open('web');
    const good = series({ version: 'v2' });
    ledger.apply(first, requests(series({ version: 'v1' }), 5, startMs), startMs);
    ledger.closeStream(first, startMs);
    const again = open('web');
    ledger.apply(again, requests(series({ version: 'v1' }), 5, startMs), startMs);
    ledger.apply(again, requests(good, 1000, startMs), startMs);
    expect(read()).toEqual({ requests: 0, errors: 0 });
  });
});

describe('what bends no decision', () => {
  test('duplicates, late batches and a reconnect add nothing', () => {
    const { ledger, open, report, read } = createMet();
    const good = series({ version: 'v2' });
    for (const value of [10, 10, 4, 10]) report(requests(good, value, startMs));
    ledger.apply(open('web'), requests(series({ version: 'v2' }), 10, startMs), startMs);
    expect(read()).toEqual({ requests: 10, errors: 0 });
  });

  test('a restarted sidecar that was met counts on from zero', () => {
    const { report, read } = createMet();
    report(requests(series({ version: 'v2' }), 10, startMs));
    report(requests(series({ version: 'v2' }), 3, startMs + 1));
    expect(read()).toEqual({ requests: 13, errors: 0 });
  });

  test('series beyond the limit of the totals are seen all the same', () => {
    const { report, read } = createMet({ maxSeriesPerFamily: 1 });
    report(requests(series({ version: 'v2', source: 'one' }), 3, startMs));
    report(requests(series({ version: 'v2', source: 'two' }), 4, startMs));
    expect(read()).toEqual({ requests: 7, errors: 0 });
  });

  test('values that are no numbers', () => {
    const { observer, read } = createMet();
    for (const value of [Number.NaN, Infinity, -5, 0.5]) {
      observer.increased(requests(series({ version: 'v2' }), value, startMs), []);
    }
    expect(read()).toEqual({ requests: 0, errors: 0 });
  });
});

describe('which requests count, and how', () => {
  const cases: readonly [what: string, labels: Omit<ReportedSeries, 'version'>, counted: number, failed: number][] = [
    ['an answer', {}, 1, 0],
    ['a refusal by the application', { code: '404' }, 1, 0],
    ['an error', { code: '500' }, 1, 1],
    ['no healthy host, known to the client alone', { code: '503', flags: 'UH' }, 1, 1],
    ['a connection that failed, without a response', { code: '0', flags: 'UF' }, 1, 1],
    ['a connection that ended', { code: '0', flags: 'UC,URX' }, 1, 1],
    ['a timeout', { code: '504', flags: 'UT' }, 1, 1],
    ['a response that was cut by its maximum duration', { code: '200', flags: 'UMSDR' }, 1, 1],
    ['a client that went away', { code: '0', flags: 'DC' }, 0, 0],
    ['a client that went away from an error', { code: '503', flags: 'DC' }, 0, 0],
    ['a local reset', { code: '0', flags: 'LR' }, 0, 0],
    ['gRPC: unavailable', { grpc: '14' }, 1, 1],
    ['gRPC: not found', { grpc: '5' }, 1, 0],
    ['another host', { host: 'ratings.default.svc.cluster.local' }, 0, 0],
    ['the server of a client with a sidecar', { reporter: 'destination' }, 0, 0],
    ['the server of a client without a sidecar', { reporter: 'destination', source: 'unknown' }, 1, 0],
    ['a reporter of another name', { reporter: 'waypoint' }, 0, 0],
  ];
  for (const [what, labels, counted, failed] of cases) {
    test(`${what}: ${counted} request, ${failed} failed`, () => {
      const { report, read } = createMet();
      report(requests(series({ version: 'v2', ...labels }), 1, startMs));
      expect(read()).toEqual({ requests: counted, errors: failed });
    });
  }

  test('the server sees what is mirrored: there every request counts once', () => {
    const { report, read } = createMet();
    report(requests(series({ version: 'v2', reporter: 'destination' }), 3, startMs));
    report(requests(series({ version: 'v2', reporter: 'destination', source: 'unknown' }), 2, startMs));
    report(requests(series({ version: 'v2' }), 3, startMs));
    expect(read('server')).toEqual({ requests: 5, errors: 0 });
    expect(read('client')).toEqual({ requests: 5, errors: 0 });
  });
});

test('requests that a log names count one by one, with their latency', () => {
  const { observer, read } = createMixer();
  const good = series({ version: 'v2' });
  observer.requested(good, 3);
  observer.requested(good, 9e9);
  observer.requested(series({ version: 'v2', code: '503' }), 3);
  expect(read()).toEqual({ requests: 3, errors: 1 });
  const { buckets } = observer.read({ host, version: 'v2' }, 'client');
  expect([buckets[2], buckets.at(-1)]).toEqual([1, 1]);
});

describe('latencies', () => {
  test('come by bucket, of requests that did not fail', () => {
    const { report, observer } = createMet();
    const good = series({ version: 'v2' });
    report(durations(good, [0.2, 3, 3], startMs));
    report(durations(good, [0.2, 3, 3, 3, 40, 9e9], startMs));
    report(durations(series({ version: 'v2', code: '500' }), [3], startMs));
    const { buckets } = observer.read({ host, version: 'v2' }, 'client');
    expect(buckets).toEqual([1, 0, 3, 0, 0, 1, ...Array.from({ length: 13 }, () => 0), 1]);
  });

  test('of the time before are what the totals hold', () => {
    const { ledger, open, totals } = createMixer();
    ledger.apply(open('web'), durations(series({ version: 'v1' }), [3, 3], startMs), startMs);
    ledger.apply(open('web'), durations(series({ version: 'v1', code: '503' }), [3], startMs), startMs);
    ledger.apply(open('web'), durations(series({ version: 'v2' }), [3], startMs), startMs);
    const history = latencyHistory(totals, { host, version: 'v1' });
    expect(history.reduce((sum, count) => sum + count, 0)).toBe(2);
  });
});

describe('watching', () => {
  test('ends with the last watcher, and begins again from zero', () => {
    const { observer, report, read } = createMet();
    const second = observer.watch({ host, version: 'v2' })!;
    const good = series({ version: 'v2' });
    report(requests(good, 5, startMs));
    second();
    second();
    report(requests(good, 6, startMs));
    expect(read().requests).toBe(6);
  });

  test('is bounded: no version more than 4,000', () => {
    const { observer } = createMixer();
    for (let i = 1; i < 4000; i += 1) expect(observer.watch({ host, version: `x${i}` })).toBeDefined();
    expect(observer.watch({ host, version: 'one more' })).toBeUndefined();
    expect(observer.watch({ host, version: 'v2' })).toBeDefined();
  });
});

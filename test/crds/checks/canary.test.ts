import { describe, expect, test } from 'vitest';
import { errorsOf, resource, unsupportedOf } from '../support.ts';

const base = { host: 'reviews', subsets: { primary: 'v1', canary: 'v2' } };

function canary(spec: object): object {
  return { ...resource('Canary', { ...base, ...spec }), apiVersion: 'networking.heddle.dev/v1alpha1' };
}

const analysis = (fields: object): object => canary({ analysis: fields });

describe('a Canary', () => {
  test.each([
    ['the least that can be said', {}],
    ['a service by reference', { host: undefined, targetRef: { kind: 'Service', name: 'reviews' } }],
    ['Flagger’s weights', { analysis: { interval: '30s', stepWeight: 10, maxWeight: 50 } }],
    ['a test of matched users', { analysis: { iterations: 5, match: [{ headers: { cookie: { regex: '.*' } } }] } }],
    ['a mirror', { analysis: { iterations: 3, mirror: true, mirrorWeight: 20 } }],
    [
      'gates, limits and words to others',
      {
        sticky: 'cookie:user;1h',
        paused: true,
        revision: '42',
        analysis: {
          stepWeights: [1, 5, 20, 100],
          alpha: 0.05,
          maxErrorRatio: 1.2,
          maxErrorRateIncrease: 0,
          maxLatencyRatio: 2,
          minRequests: 1,
          maxDuration: '2h',
          onTimeout: 'rollback',
          manualGate: ['rollout', 'promotion'],
          metrics: [
            { name: 'cpu', provider: { address: 'http://prometheus:9090' }, query: 'up', thresholdRange: { max: 1 } },
          ],
          webhooks: [{ name: 'gate', type: 'confirm-rollout', url: 'https://gate/', timeout: '5s', retries: 3 }],
        },
      },
    ],
  ])('%s is accepted and in force', (_, spec) => {
    const written = JSON.parse(JSON.stringify(canary(spec))) as object;
    expect(errorsOf(written)).toEqual([]);
    expect(unsupportedOf(written)).toEqual([]);
  });

  test.each([
    ['no host', canary({ host: undefined }), 'spec.host: is required: or targetRef'],
    ['two hosts', canary({ targetRef: { kind: 'Service', name: 'a' } }), 'spec.targetRef: must not stand beside host'],
    ['one subset twice', canary({ subsets: { primary: 'v1', canary: 'v1' } }), 'spec.subsets.canary: must be another'],
    ['a sticky key of no form', canary({ sticky: 'user' }), 'spec.sticky: must be header:NAME'],
    ['an unknown field', canary({ analisys: {} }), 'spec.analisys: unknown field'],
    ['a short interval', analysis({ interval: '100ms' }), 'spec.analysis.interval: must be at least 1s'],
    ['no duration', analysis({ maxDuration: 'soon' }), 'spec.analysis.maxDuration: must be a duration'],
    ['weights that fall', analysis({ stepWeights: [5, 5] }), 'spec.analysis.stepWeights[1]: must be more than'],
    ['a weight above 100', analysis({ stepWeights: [101] }), 'spec.analysis.stepWeights[0]: must be'],
    ['no weights', analysis({ stepWeights: [] }), 'spec.analysis.stepWeights: must have an element'],
    ['both forms of weights', analysis({ stepWeights: [5], stepWeight: 5 }), 'spec.analysis.stepWeight: must not'],
    ['no gateway', canary({ gateways: [] }), 'spec.gateways: must have an element'],
    ['a gateway of no name', canary({ gateways: ['a/b/c'] }), 'spec.gateways[0]: must be a DNS label'],
    ['a maximum without steps', analysis({ maxWeight: 5 }), 'spec.analysis.maxWeight: has no effect'],
    [
      'a maximum below the step',
      analysis({ stepWeight: 9, maxWeight: 5 }),
      'spec.analysis.maxWeight: must be at least',
    ],
    ['iterations with weights', analysis({ iterations: 2, stepWeight: 9 }), 'spec.analysis.iterations: must not stand'],
    ['iterations of nothing', analysis({ iterations: 2 }), 'spec.analysis.iterations: has no effect'],
    ['a weight of no mirror', analysis({ mirrorWeight: 2 }), 'spec.analysis.mirrorWeight: has no effect'],
    ['alpha 0', analysis({ alpha: 0 }), 'spec.analysis.alpha: must be'],
    ['alpha above one half', analysis({ alpha: 0.6 }), 'spec.analysis.alpha: must be'],
    ['a ratio below 1', analysis({ maxErrorRatio: 0.9 }), 'spec.analysis.maxErrorRatio: must be'],
    ['a match of Istio’s that is none', analysis({ match: [{ uri: { regex: '(' } }] }), 'spec.analysis.match[0].uri'],
    [
      'a webhook to a file',
      analysis({ webhooks: [{ name: 'a', type: 'event', url: 'file:///etc/passwd' }] }),
      'spec.analysis.webhooks[0].url: must be an http or https URL',
    ],
    [
      'a query without limits',
      analysis({ metrics: [{ name: 'a', provider: { address: 'http://p' }, query: 'up', thresholdRange: {} }] }),
      'spec.analysis.metrics[0].thresholdRange: must have min or max',
    ],
  ])('with %s is refused by its path', (_, written, start) => {
    const errors = errorsOf(JSON.parse(JSON.stringify(written)));
    expect(errors.some((error) => error.startsWith(start))).toBe(true);
  });
});

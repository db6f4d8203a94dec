import { expect, test } from 'vitest';
import type { Responder } from '../support/backend.ts';
import { eventually } from '../support/mesh.ts';
import { destinationRule, virtualService } from '../simulation/yaml.ts';
import { besideEachSidecar, type Instance, LiveMesh } from './live-mesh.ts';

const region = (name: string): Record<string, string> => ({ 'topology.kubernetes.io/region': name });
const at = (name: string, respond?: Instance['respond']): Instance => ({
  service: 'reviews',
  version: name,
  labels: region(name),
  ...(respond === undefined ? {} : { respond }),
});
const start = (instances: readonly Instance[], yaml: string, labels: Record<string, string> = {}): Promise<LiveMesh> =>
  LiveMesh.start({ instances, yaml, client: { labels: { ...region('near'), ...labels } } });

const balanced = (setting: string, more = ''): string =>
  destinationRule(
    'reviews',
    `trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN ${setting === '' ? '' : `, localityLbSetting: ${setting}`} } ${more} }`,
  );
/** One failure is enough. */
const strict = ', outlierDetection: { consecutive5xxErrors: 1, baseEjectionTime: 1h, maxEjectionPercent: 100 }';
const fails: Responder = (_, response) => {
  response.statusCode = 503;
  response.end();
};

besideEachSidecar(() => {
  test('D7: outlierDetection keeps requests near, and moves them when what is near fails', async () => {
    let isFailing = false;
    const near: Responder = (request, response, backend) =>
      isFailing ? fails(request, response, backend) : response.end(JSON.stringify({ name: backend.name }));
    const mesh = await start([at('near', near), at('far')], balanced('', strict));
    expect(await mesh.share(20)).toEqual({ 'reviews-near': 20 });
    isFailing = true;
    await eventually(async () => ((await mesh.call({})).landed === 'reviews-far' ? true : undefined));
    expect(await mesh.share(20)).toEqual({ 'reviews-far': 20 });
  });

  test('D7: without it all places are used alike', async () => {
    const mesh = await start([at('near'), at('far')], balanced(''));
    expect(await mesh.share(20)).toEqual({ 'reviews-near': 10, 'reviews-far': 10 });
  });

  test('failover names the region that comes next', async () => {
    const mesh = await start(
      [at('near', fails), at('other'), at('next')],
      balanced('{ failover: [{ from: near, to: next }] }', strict),
    );
    await eventually(async () => ((await mesh.call({})).landed === 'reviews-next' ? true : undefined));
    expect(await mesh.share(20)).toEqual({ 'reviews-next': 20 });
  });

  test('failoverPriority compares labels', async () => {
    const tier = (name: string): Instance => ({ service: 'reviews', version: name, labels: { tier: name } });
    const yaml = balanced('{ failoverPriority: [tier] }', strict);
    const mesh = await start([tier('gold'), tier('tin')], yaml, { tier: 'tin' });
    expect(await mesh.share(20)).toEqual({ 'reviews-tin': 20 });
  });

  test('distribute gives places their shares', async () => {
    const mesh = await start(
      [at('near'), at('far'), at('else')],
      balanced('{ distribute: [{ from: near, to: { near: 80, far: 20 } }] }'),
    );
    const { 'reviews-near': near = 0, 'reviews-far': far = 0 } = await mesh.share(200);
    expect(near + far).toBe(200);
    expect(Math.abs(near / 200 - 0.8)).toBeLessThan(0.12);
  });

  test('retryRemoteLocalities: the second retry goes elsewhere', async () => {
    const ranked = balanced('', ', outlierDetection: { consecutive5xxErrors: 0 }');
    const rule = (retries: string): string =>
      virtualService('reviews', `[{ route: [{ destination: { host: reviews } }], retries: ${retries} }]`);
    const retries = (attempts: number): string =>
      rule(`{ attempts: ${attempts}, retryOn: 5xx, retryRemoteLocalities: true }`);
    const mesh = await start([at('near', fails), at('far')], ranked + retries(1));
    expect(await mesh.share(5)).toEqual({ '503': 5 });
    await mesh.apply(retries(2));
    expect(await mesh.share(5)).toEqual({ 'reviews-far': 5 });
    expect(mesh.backends[0]?.requests).toBe(20);
  });

  test('peak EWMA is taken, or what stands behind it', async () => {
    const yaml = destinationRule('reviews', '').replace(
      'namespace: default }',
      'namespace: default, annotations: { heddle.dev/load-balancer: peak-ewma } }',
    );
    const mesh = await start([at('one'), at('two')], yaml);
    const { 'reviews-one': one = 0, 'reviews-two': two = 0 } = await mesh.share(60);
    expect(one + two).toBe(60);
  });
});

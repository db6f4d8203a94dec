import { describe, expect, test } from 'vitest';
import { Simulation } from './simulation.ts';
import { virtualService } from './yaml.ts';

const workloads = [
  { service: 'reviews', version: 'v1' },
  { service: 'other', version: 'other' },
];
const toOther = 'route: [{ destination: { host: other } }]';
const bound = (gateways: string, http = `[{ ${toOther} }]`): string =>
  virtualService('reviews', http).replace('spec:', `spec:\n  gateways: ${gateways}`);

async function versionFor(yaml: string): Promise<string | undefined> {
  const mesh = await Simulation.start({ yaml, workloads });
  return mesh.call({ host: 'reviews' }).version;
}

describe('a VirtualService that names gateways', () => {
  test('is for sidecars only when mesh is among them', async () => {
    expect(await versionFor(bound('[shop/front]'))).toBe('v1');
    expect(await versionFor(bound('[front]'))).toBe('v1');
    expect(await versionFor(bound('[mesh, shop/front]'))).toBe('other');
    expect(await versionFor(bound('[shop/front, mesh]'))).toBe('other');
  });

  test('for gateways only, does not take the host from one for the mesh', async () => {
    const mesh = virtualService('reviews', `[{ ${toOther} }]`, { name: 'younger' });
    expect(await versionFor(bound('[front]', '[{ route: [{ destination: { host: reviews } }] }]') + mesh)).toBe(
      'other',
    );
  });
});

describe('S5: a match that names gateways', () => {
  const rule = (match: string): string => `[{ match: [{ ${match} }], ${toOther} }]`;

  test('is for sidecars only when mesh is among them', async () => {
    expect(await versionFor(bound('[mesh, front]', rule('gateways: [front]')))).toBe('v1');
    expect(await versionFor(bound('[mesh, front]', rule('gateways: [front, mesh]')))).toBe('other');
  });

  test('does not ask for the labels or the namespace of the source', async () => {
    const source = 'sourceLabels: { app: nobody }, sourceNamespace: nowhere';
    expect(await versionFor(bound('[mesh]', rule(source)))).toBe('v1');
    expect(await versionFor(bound('[mesh]', rule(`gateways: [mesh], ${source}`)))).toBe('other');
  });
});

describe('S20: rules of which none is for the client', () => {
  test('leave the service as it is without rules', async () => {
    const rules = virtualService('reviews', `[{ match: [{ sourceNamespace: shop }], ${toOther} }]`);
    const mesh = await Simulation.start({ yaml: rules, workloads });
    expect(mesh.call({ host: 'reviews' })).toMatchObject({ status: 200, version: 'v1', route: 'default' });
  });

  test('make a host that only they name unknown', async () => {
    const rules = virtualService('shop.example.com', `[{ match: [{ port: 81 }], ${toOther} }]`);
    const mesh = await Simulation.start({ yaml: rules, workloads });
    expect(mesh.call({ host: 'shop.example.com' })).toMatchObject({ status: 503, flag: 'DF', route: 'allow_any' });
  });
});

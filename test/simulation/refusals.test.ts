import { describe, expect, test } from 'vitest';
import { Simulation } from './simulation.ts';
import { virtualService } from './yaml.ts';

const route = '{ route: [{ destination: { host: reviews } }] }';
const withHosts = (hosts: string, http = `[${route}]`): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: rules }
spec: { hosts: ${hosts}, http: ${http} }
`;

describe('S32: a VirtualService is refused', () => {
  test.each([
    ['with the host * on the mesh', withHosts('["*"]'), /spec\.hosts/],
    ['with one host twice', withHosts('[reviews, reviews]'), /spec\.hosts/],
    ['with hosts that overlap', withHosts('["*.foo.com", "a.foo.com"]'), /spec\.hosts/],
    [
      'without any rule',
      'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: a }\nspec: { hosts: [a] }',
      /http/,
    ],
    [
      'with a rule that leads nowhere',
      virtualService('reviews', '[{ match: [{ uri: { prefix: /a } }] }]'),
      /spec\.http\[0\]/,
    ],
    [
      'with a rule that leads to two places at once',
      virtualService('reviews', '[{ route: [{ destination: { host: reviews } }], redirect: { uri: /a } }]'),
      /spec\.http\[0\]/,
    ],
    [
      'with the empty prefix of a header',
      virtualService(
        'reviews',
        '[{ match: [{ headers: { a: { prefix: "" } } }], route: [{ destination: { host: reviews } }] }]',
      ),
      /spec\.http\[0\]\.match\[0\]\.headers/,
    ],
    [
      'with an expression that is not RE2',
      virtualService(
        'reviews',
        '[{ match: [{ uri: { regex: "(?=a)" } }], route: [{ destination: { host: reviews } }] }]',
      ),
      /regex/,
    ],
    ['with a misspelled field', withHosts('[reviews]', `[{ ${route.slice(1, -1)}, timeuot: 1s }]`), /timeuot/],
  ])('%s', async (_, yaml, path) => {
    await expect(Simulation.start({ yaml, workloads: [{ service: 'reviews' }] })).rejects.toThrow(path);
  });

  test('and what was in force before stays in force', async () => {
    const mesh = await Simulation.start({ yaml: withHosts('[reviews]'), workloads: [{ service: 'reviews' }] });
    await expect(mesh.apply(withHosts('["*"]'))).rejects.toThrow('spec.hosts');
    expect(mesh.call({ host: 'reviews' }).status).toBe(200);
  });
});

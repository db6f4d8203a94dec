import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fetchText, Mesh } from '../support/mesh.ts';

/** A good document that stands in front of every bad one: it must not be stored either. */
const innocent = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: innocent }
spec:
  hosts: [innocent.example.com]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
---
`;
const virtualService = 'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: bad }\n';

const cases: readonly { name: string; yaml: string; line: number; says: RegExp }[] = [
  {
    name: 'broken YAML',
    yaml: `${virtualService}spec:\n  hosts: [reviews\n  http: x\n`,
    line: 14,
    says: /./,
  },
  {
    name: 'an unknown kind',
    yaml: 'apiVersion: networking.istio.io/v1\nkind: VirtualServise\nmetadata: { name: bad }\nspec: {}\n',
    line: 10,
    says: /kind: .*VirtualServi[sc]e/,
  },
  {
    name: 'an unknown field',
    yaml: `${virtualService}spec:\n  hosts: [reviews]\n  htp:\n  - route: [{ destination: { host: reviews } }]\n`,
    line: 14,
    says: /spec\.htp: .*http/,
  },
  {
    name: 'a weight of -1',
    yaml: `${virtualService}spec:\n  hosts: [reviews]\n  http:\n  - route:\n    - destination: { host: reviews }\n      weight: -1\n    - destination: { host: other }\n      weight: 1\n`,
    line: 17,
    says: /spec\.http\[0\]\.route\[0\]\.weight: .*-1/,
  },
  {
    name: 'a missing host',
    yaml: `${virtualService}spec:\n  hosts: [reviews]\n  http:\n  - route:\n    - destination: { subset: v1 }\n`,
    line: 16,
    says: /spec\.http\[0\]\.route\[0\]\.destination\.host: /,
  },
  {
    name: 'an unknown subset of a known host',
    yaml: `${virtualService}spec:\n  hosts: [reviews]\n  http:\n  - route:\n    - destination:\n        host: reviews\n        subset: v9\n`,
    line: 18,
    says: /spec\.http\[0\]\.route\[0\]\.destination\.subset: .*v9/,
  },
  {
    name: 'port 70000',
    yaml: `${virtualService}spec:\n  hosts: [reviews]\n  http:\n  - route:\n    - destination: { host: reviews, port: { number: 70000 } }\n`,
    line: 16,
    says: /spec\.http\[0\]\.route\[0\]\.destination\.port\.number: .*70000/,
  },
];

describe('heddle apply of bad input', () => {
  let mesh: Mesh;

  beforeAll(async () => {
    mesh = await Mesh.create();
    await mesh.startControlPlane();
    await mesh.startSidecar({ service: 'reviews' });
    await mesh.apply(
      'apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: { name: reviews }\nspec: { host: reviews, subsets: [{ name: v1, labels: { version: v1 } }] }',
    );
  });

  afterAll(() => mesh.close());

  const storedNames = async (): Promise<string[]> => {
    const names: string[] = [];
    for (const kind of ['destinationrules', 'serviceentries', 'virtualservices']) {
      const list = JSON.parse(await fetchText(`${mesh.apiUrl}/apis/networking.istio.io/v1/${kind}`)) as {
        readonly items: readonly { readonly metadata: { readonly name: string } }[];
      };
      names.push(...list.items.map(({ metadata }) => `${kind}/${metadata.name}`));
    }
    return names;
  };

  test.each(cases)('$name: exit 1, file, line and path are named, nothing is stored', async ({ yaml, line, says }) => {
    const file = await mesh.writeFile('bad.yaml', innocent + yaml);
    const { code, output } = await mesh.heddle('apply', '-f', file);
    expect(code, output).toBe(1);
    expect(output).toContain(`${file}:${line}: `);
    expect(output).toMatch(says);
    expect(output).not.toMatch(/created|configured|unchanged/);
    expect(await storedNames()).toEqual(['destinationrules/reviews']);
  });

  test('the document in front of each is good by itself', async () => {
    const { code, output } = await mesh.heddle('apply', '--dry-run', '-f', await mesh.writeFile('good.yaml', innocent));
    expect(code, output).toBe(0);
  });

  test('all faults of all files are told at once', async () => {
    const first = await mesh.writeFile('first.yaml', `${virtualService}spec:\n  hosts: []\n`);
    const second = await mesh.writeFile('second.yaml', `${virtualService}spec:\n  hosts: [reviews]\n  htp: []\n`);
    const { code, output } = await mesh.heddle('apply', '-f', first, '-f', second);
    expect(code).toBe(1);
    expect(output).toContain(`${first}:`);
    expect(output).toContain(`${second}:6: `);
  });
});

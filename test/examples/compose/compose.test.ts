/** The compose file wires what a pod is, and what it names is there. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseManifest } from '../../../crds/manifest.ts';
import { findUnsupported, validateResource } from '../../../crds/validate.ts';
import { runCommand } from '../../support/command.ts';
import { type ComposeService, namespaceOf, readCompose, startOrder } from '../../support/compose.ts';
import { parseContainerfile } from '../../support/containerfile.ts';
import { repositoryDir } from '../../support/mesh.ts';

const folder = join(repositoryDir, 'examples/compose');
const compose = readCompose(join(folder, 'compose.yaml'));
const names = [...compose.services.keys()];
const pods = names.filter((name) => name.endsWith('-pod')).map((name) => name.replace('-pod', ''));

function service(name: string): ComposeService {
  const found = compose.services.get(name);
  if (found === undefined) throw new Error(`there is no service ${name}`);
  return found;
}

const waits = (name: string, other: string): string | undefined => service(name).depends_on?.[other]?.condition;

test('there are two versions of a service and a client', () => {
  expect(pods).toEqual(['reviews-v1', 'reviews-v2', 'client']);
});

describe.each(pods)('the pod of %s', (pod) => {
  test('is one network namespace, held by a container that does nothing else', () => {
    for (const name of [`${pod}-capture`, `${pod}-sidecar`, pod]) {
      expect(namespaceOf(name, compose)).toBe(`${pod}-pod`);
      expect(service(name)).not.toHaveProperty('networks');
      expect(service(name)).not.toHaveProperty('ports');
    }
    expect(service(`${pod}-pod`)).not.toHaveProperty('command');
  });

  test('capture ends before the sidecar starts, and the program starts when that is ready', () => {
    expect(waits(`${pod}-sidecar`, `${pod}-capture`)).toBe('service_completed_successfully');
    expect(waits(`${pod}-sidecar`, 'pilot')).toBe('service_healthy');
    expect(waits(pod, `${pod}-sidecar`)).toBe('service_healthy');
    const order = startOrder(compose);
    const positions = ['-pod', '-capture', '-sidecar', ''].map((suffix) => order.indexOf(`${pod}${suffix}`));
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
  });

  test('only capture may program the network, and the sidecar runs as the user that is not captured', () => {
    expect(service(`${pod}-capture`).cap_add).toEqual(['NET_ADMIN']);
    expect(service(`${pod}-sidecar`).user).toBe('1337:1337');
    expect(service(pod).user).not.toBe('1337:1337');
  });

  test('the sidecar is asked where its image asks for its health, and is of the name of its pod', () => {
    const { command = [] } = service(`${pod}-sidecar`);
    expect(command.slice(command.indexOf('--admin-port')).slice(0, 2)).toEqual(['--admin-port', '15000']);
    const after = (option: string): string[] =>
      command.includes(option) ? [command[command.indexOf(option) + 1] ?? ''] : [];
    expect([...after('--service'), ...after('--version')].join('-')).toBe(pod);
  });
});

describe('every container', () => {
  test.each(names)('%s writes nowhere but to its volumes and gains no rights', (name) => {
    const { read_only: readOnly, cap_drop: dropped, security_opt: security, cap_add: added = [] } = service(name);
    expect({ readOnly, dropped, security }).toEqual({
      readOnly: true,
      dropped: ['ALL'],
      security: ['no-new-privileges:true'],
    });
    expect(added).toEqual(name.endsWith('-capture') ? ['NET_ADMIN'] : []);
  });

  test.each(names)('%s has an image that is built here or pinned', (name) => {
    const { image, build } = service(name);
    if (build !== undefined) {
      const text = readFileSync(join(folder, build.context, build.dockerfile), 'utf8');
      expect(parseContainerfile(text).map((stage) => stage.name)).toContain(build.target);
      expect(image).toBe(`heddle/${build.target}`);
    } else if (image.startsWith('heddle/')) {
      expect(names.some((other) => service(other).image === image && service(other).build !== undefined)).toBe(true);
    } else {
      expect(image).toMatch(/^[\w.]+\.[a-z]+\/[\w/-]+:\d+\.\d+/);
    }
  });

  test.each(names)('%s mounts what is there', (name) => {
    for (const volume of service(name).volumes ?? []) {
      const [source = ''] = volume.split(':');
      if (source.startsWith('.')) expect(existsSync(join(folder, source))).toBe(true);
    }
  });
});

test.each(names.filter((name) => service(name).image.startsWith('heddle/')))(
  '%s is started with options that there are',
  async (name) => {
    const [command = '', ...args] = service(name).command ?? [];
    const { code, stdout: help } = await runCommand({ args: [command, '--help'] });
    expect(code).toBe(0);
    const options = help.match(/--[a-z-]+|(?<=\s)-[a-z](?=,)/g) ?? [];
    for (const option of args.filter((arg) => arg.startsWith('-'))) expect(options).toContain(option);
  },
);

test('the API is published to this machine alone', () => {
  const published = names.flatMap((name) => service(name).ports ?? []);
  expect(published).not.toEqual([]);
  for (const port of published) expect(port).toMatch(/^127\.0\.0\.1:/);
});

test('the rules are valid, and all of them in force', () => {
  const file = join(folder, 'mesh/reviews.yaml');
  const { documents, errors } = parseManifest(file, readFileSync(file, 'utf8'));
  expect(errors).toEqual([]);
  const kinds = ['Service', 'DestinationRule', 'VirtualService'];
  expect(documents).toMatchObject(kinds.map((kind) => ({ resource: { kind } })));
  for (const { resource } of documents) {
    expect(validateResource(resource)).toHaveProperty('value');
    expect(findUnsupported(resource)).toEqual([]);
  }
});

test('the walk names services that there are', () => {
  const readme = readFileSync(join(folder, 'README.md'), 'utf8');
  const named = [...readme.matchAll(/docker compose (?:exec|logs|stop|start|restart) (?:-T )?([\w-]+)/g)];
  expect(named.length).toBeGreaterThan(2);
  for (const [, name = ''] of named) expect(names).toContain(name);
});

describe('a compose file that ours cannot be', () => {
  test('what waits for itself is named', () => {
    const service = (other: string): ComposeService => ({
      image: 'x',
      depends_on: { [other]: { condition: 'service_started' } },
    });
    const loop = {
      folder,
      services: new Map([
        ['a', service('b')],
        ['b', service('a')],
      ]),
    } as const;
    expect(() => startOrder(loop)).toThrow('a waits for b waits for a');
    expect(() => startOrder({ folder, services: new Map([['a', service('c')]]) })).toThrow('there is no service c');
  });
});

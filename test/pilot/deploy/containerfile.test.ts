/** The container files: what is built from them runs without root and holds what it needs and no more. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findExecutable } from '../../../bench/executable.ts';
import { runCommand } from '../../support/command.ts';
import { execForm, findFaults, inForce, lineage, parseContainerfile } from '../../support/containerfile.ts';
import { repositoryDir } from '../../support/mesh.ts';
import { requirePeers } from '../../support/peers.ts';

const folder = join(repositoryDir, 'pilot/deploy');
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.Containerfile'))
  .map((name) => name.replace('.Containerfile', ''));
const read = (name: string): string => readFileSync(join(folder, `${name}.Containerfile`), 'utf8');

const letIn = readFileSync(join(repositoryDir, '.dockerignore'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('!'))
  .map((line) => line.slice(1));
const context = { has: (path: string) => letIn.includes(path) && existsSync(join(repositoryDir, path)) };

test('there is one for the sidecar and one for the control plane', () => {
  expect(names.sort()).toEqual(['pilot', 'proxy']);
});

describe.each(names)('%s.Containerfile', (name) => {
  const text = read(name);
  const stages = parseContainerfile(text);

  test('keeps the rules', () => {
    expect(findFaults(text, context)).toEqual([]);
    expect(stages.at(-1)?.name).toBe(name);
  });

  test('hadolint has nothing to say', (context) => {
    requirePeers(context, 'hadolint');
    const hadolint = findExecutable('hadolint') ?? '';
    expect(execFileSync(hadolint, ['--no-color', '-'], { input: text, encoding: 'utf8' })).toBe('');
  });

  test('what it starts is a command with options that there are', async () => {
    const image = lineage(stages, name);
    expect(execForm(inForce(image, 'ENTRYPOINT'))).toEqual(['heddle']);
    const [command = '', ...args] = execForm(inForce(image, 'CMD')) ?? [];
    const { code, stdout: help } = await runCommand({ args: [command, '--help'] });
    expect(code).toBe(0);
    for (const option of args.filter((arg) => arg.startsWith('--'))) expect(help).toContain(option);
  });

  test('has labels that say what it is', () => {
    const labels = lineage(stages, name).filter((one) => one.getKeyword() === 'LABEL');
    const said = labels.map((one) => one.getArgumentsContent()).join(' ');
    expect(said).toContain(`org.opencontainers.image.title="heddle ${name}"`);
    expect(said).toContain('org.opencontainers.image.licenses="Apache-2.0"');
  });
});

test('both are built in the same way up to the program, so that they share layers', () => {
  const toProgram = (name: string): string =>
    read(name).slice(read(name).indexOf('ARG NODE_IMAGE'), read(name).indexOf('LABEL'));
  expect(toProgram('pilot')).toBe(toProgram('proxy'));
});

test('the firewall programs are in the image of `heddle capture` alone, which is not checked for health', () => {
  const stages = parseContainerfile(read('proxy'));
  const capture = lineage(stages, 'capture');
  expect(inForce(capture, 'RUN')).toMatch(/install .*--no-install-recommends iproute2 nftables/);
  expect(execForm(inForce(capture, 'CMD'))).toEqual(['capture']);
  expect(inForce(capture, 'HEALTHCHECK')).toBe('NONE');
});

test('the control plane writes to a volume that its user owns', () => {
  const pilot = lineage(parseContainerfile(read('pilot')), 'pilot');
  const volume = inForce(pilot, 'VOLUME') ?? '';
  expect(execForm(inForce(pilot, 'CMD'))).toEqual(expect.arrayContaining(['--data-dir', volume]));
  expect(inForce(pilot, 'RUN')).toBe(`install --directory --owner=1337 --group=1337 --mode=0750 ${volume}`);
});

test('nothing goes to the builder that is not named', () => {
  const lines = readFileSync(join(repositoryDir, '.dockerignore'), 'utf8').split('\n');
  expect(lines.find((line) => line !== '' && !line.startsWith('#'))).toBe('*');
  expect(letIn.filter((path) => !existsSync(join(repositoryDir, path)))).toEqual([]);
});

describe('a rule that is broken is named', () => {
  const proxy = read('proxy');
  test.each<readonly [string, RegExp | string, string, string]>([
    ['root', 'USER 1337:1337\n', '', 'proxy: runs as root, not as 1337:1337'],
    ['the last user counts', 'EXPOSE 15001', 'USER 0\nEXPOSE 15001', 'proxy: runs as 0, not as 1337:1337'],
    ['the latest image', /node:20\S+/, 'node:latest', 'dependencies: the image "docker.io/library/node:latest" is not'],
    ['an image of a line', /node:20\S+/, 'node:20-slim', 'build: the image "docker.io/library/node:20-slim" is not'],
    ['an unknown stage', '--from=build', '--from=builder', 'program: COPY from builder, which is no earlier stage'],
    ['a path that is not there', 'COPY crds crds', 'COPY crd crds', 'build: crd is not in the context'],
    ['a path that is kept out', 'COPY crds crds', 'COPY bench bench', 'build: bench is not in the context'],
    ['packages of development', ' --omit=dev', '', 'program: the packages are not those of npm ci --omit=dev'],
    ['the wrong packages', '--from=dependencies', '--from=build', 'program: the packages are not those of npm ci'],
    ['no lock', 'npm ci --include=dev', 'npm install', 'build: "npm install --ignore-scripts" does not keep to'],
    ['a download', 'rm dist', 'curl x && rm dist', 'fetches what nothing pins'],
    ['ADD', 'COPY crds', 'ADD crds', 'build: ADD unpacks and fetches; use COPY'],
    ['a shell in front', 'ENTRYPOINT ["heddle"]', 'ENTRYPOINT heddle', 'proxy: ENTRYPOINT is not in exec form'],
    ['no health', /HEALTHCHECK --interval[^]*$/, '', 'proxy: no HEALTHCHECK in exec form'],
    ['another signal', 'STOPSIGNAL SIGTERM', 'STOPSIGNAL SIGINT', 'proxy: STOPSIGNAL is not SIGTERM'],
    ['programs', 'FROM program AS proxy', 'FROM capture AS proxy', 'proxy: has more programs than Node and its own'],
  ])('%s', (_, from, to, fault) => {
    const broken = proxy.replace(from, to);
    expect(broken).not.toBe(proxy);
    expect(findFaults(broken, context).join('\n')).toContain(fault);
  });
});

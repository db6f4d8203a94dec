import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLogger, silentLogger } from '../../../proxy/common/log.ts';
import { findListening } from '../../../pilot/registry/listening-workloads.ts';
import { WorkloadFile } from '../../../pilot/registry/workload-file.ts';
import { sidecarWorkload } from '../networking/scenario.ts';

let dir: string;
let path: string;
let lines: string[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'heddle-workloads-'));
  path = join(dir, 'workloads.json');
  lines = [];
});

afterEach(() => rm(dir, { recursive: true }));

const open = (): WorkloadFile =>
  new WorkloadFile(
    path,
    createLogger('test', 'warn', (line) => lines.push(line)),
  );
const workloads = (...names: string[]) => new Map(names.map((name) => [`id-${name}`, sidecarWorkload({ name })]));

describe('workload file', () => {
  test('what was saved last is loaded', async () => {
    const file = open();
    for (const names of [['a'], ['a', 'b'], ['b', 'c']]) file.save(workloads(...names));
    await file.flush();
    expect(await open().load()).toEqual(workloads('b', 'c'));
    expect(await readdir(dir)).toEqual(['workloads.json']);
  });

  test('a first start knows nobody', async () => {
    expect(await open().load()).toEqual(new Map());
    expect(lines).toEqual([]);
  });

  test('an unreadable file is told and ignored', async () => {
    await writeFile(path, '{"format":1,"workl');
    expect(await open().load()).toEqual(new Map());
    expect(lines.join('')).toMatch(/workloads are unreadable and ignored/);
  });

  test('a file of another format is ignored', async () => {
    await writeFile(path, '{"format":0,"workloads":[["a",{}]]}');
    expect(await open().load()).toEqual(new Map());
  });

  test('a directory that cannot be written to is told, and pilot lives', async () => {
    const file = new WorkloadFile(
      join(dir, 'missing', 'workloads.json'),
      createLogger('test', 'warn', (line) => lines.push(line)),
    );
    file.save(workloads('a'));
    await file.flush();
    expect(lines.join('')).toMatch(/workloads cannot be written/);
  });

  test('frozen, it keeps what it has: streams that end with pilot end no workload', async () => {
    const file = new WorkloadFile(path, silentLogger);
    file.save(workloads('a'));
    file.freeze();
    file.save(workloads());
    await file.flush();
    expect(await open().load()).toEqual(workloads('a'));
  });
});

describe('after a restart', () => {
  test('workloads whose sidecar still listens are told from those that are gone', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const inboundPort = (server.address() as AddressInfo).port;
    const alive = sidecarWorkload({ address: '127.0.0.1', inboundPort });
    expect(await findListening(new Map([['alive', alive]]))).toEqual(new Map([['alive', alive]]));
    await new Promise((resolve) => server.close(resolve));
    expect(await findListening(new Map([['alive', alive]]))).toEqual(new Map());
  });
});

import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, open, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Backend } from '../support/backend.ts';
import { closeAfterTest } from '../support/closing.ts';
import {
  bootstrapText,
  fileAccessLog,
  httpListener,
  routeConfiguration,
  routeTo,
  staticCluster,
} from '../support/envoy-json.ts';
import { call } from '../support/http-call.ts';
import { type InProcessProxy, startProxy } from '../support/in-process-proxy.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { until } from '../support/turns.ts';

/** Envoy's default format: what stands between quotes may hold escaped quotes. */
const quoted = '"((?:[^"\\\\]|\\\\.)*)"';
const defaultLine = new RegExp(
  `^\\[(\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z)\\] "(\\S+) (\\S+) (\\S+)" (\\d+) (\\S+) (\\d+) (\\d+) (\\d+) (\\S+) ${quoted} ${quoted} ${quoted} ${quoted} ${quoted}$`,
);
const fieldNames = [
  'start',
  'method',
  'path',
  'protocol',
  'status',
  'flags',
  'received',
  'sent',
  'duration',
  'serviceTime',
  'forwardedFor',
  'userAgent',
  'requestId',
  'authority',
  'host',
] as const;
type Line = Readonly<Record<(typeof fieldNames)[number], string>>;

function parseLine(line: string): Line {
  const match = defaultLine.exec(line);
  if (match === null) throw new Error(`not Envoy's default line: ${JSON.stringify(line)}`);
  return Object.fromEntries(fieldNames.map((name, i) => [name, match[i + 1] ?? ''])) as Line;
}

interface Setting extends InProcessProxy {
  readonly backend: Backend;
  readonly path: string;
  /** All lines, once there are `count`. */
  readonly lines: (count: number) => Promise<Line[]>;
}

async function start(path?: string): Promise<Setting> {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-log-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const backend = closeAfterTest(await Backend.start());
  const file = path ?? join(dir, 'access.log');
  const routes = routeConfiguration([
    routeTo('gone', {}, { match: { prefix: '/gone' } }),
    routeTo('empty', {}, { match: { prefix: '/empty' } }),
    routeTo('backend'),
  ]);
  const proxy = await startProxy(
    bootstrapText(
      [httpListener({ routes, manager: fileAccessLog(file) })],
      [staticCluster('backend', [backend.port]), staticCluster('empty', [])],
    ),
  );
  const read = async (): Promise<string[]> => (await readFile(file, 'latin1').catch(() => '')).split('\n').slice(0, -1);
  const lines = async (count: number): Promise<Line[]> => {
    let found: string[] = [];
    const look = async (): Promise<void> => void (found = await read());
    await until(() => {
      void look();
      return found.length >= count;
    });
    return found.map(parseLine);
  };
  return { ...proxy, backend, path: file, lines };
}

describe('the line of a request', () => {
  test("is Envoy's default, field by field", async () => {
    const { port, backend, lines } = await start();
    const before = Date.now();
    await call(port, {
      method: 'POST',
      path: '/orders?id=7',
      host: 'shop.example.com',
      headers: { 'user-agent': 'curl/8', 'x-forwarded-for': '10.1.1.1, 10.1.1.2', 'x-request-id': 'id-1' },
      body: 'four',
    });
    const [line] = await lines(1);
    expect(line).toMatchObject({
      method: 'POST',
      path: '/orders?id=7',
      protocol: 'HTTP/1.1',
      status: '200',
      flags: '-',
      received: '4',
      serviceTime: expect.stringMatching(/^\d+$/),
      forwardedFor: '10.1.1.1, 10.1.1.2',
      userAgent: 'curl/8',
      requestId: 'id-1',
      authority: 'shop.example.com',
      host: `127.0.0.1:${backend.port}`,
    });
    expect(Number(line?.sent)).toBeGreaterThan(100);
    expect(Number(line?.duration)).toBeLessThan(5_000);
    const startMs = Date.parse(line?.start ?? '');
    expect(startMs).toBeGreaterThanOrEqual(before - 5);
    expect(startMs).toBeLessThanOrEqual(Date.now());
  });

  test('has a dash for what is not there', async () => {
    const { port, lines } = await start();
    await call(port, { path: '/gone' });
    expect(await lines(1)).toMatchObject([{ serviceTime: '-', forwardedFor: '-', userAgent: '-', host: '-' }]);
  });

  test.each([
    ['/gone', '503', 'NC'],
    ['/empty', '503', 'UH'],
  ])('of %s has status %s and flag %s', async (path, status, flags) => {
    const { port, lines } = await start();
    const { headers } = await call(port, { path });
    expect(await lines(1)).toMatchObject([{ path, status, flags, received: '0' }]);
    expect(headers['x-heddle-reason']).toMatch(new RegExp(`^${flags} `));
  });

  test('of a malformed request is there too', async () => {
    const { port, lines } = await start();
    const client = closeAfterTest(await RawConnection.open(port));
    client.send('no request at all\r\n\r\n');
    expect((await client.readResponse()).status).toBe(400);
    expect(await lines(1)).toMatchObject([{ status: '400', flags: 'DPE' }]);
  });

  test('prefers the original path, as Envoy does', async () => {
    const { port, lines } = await start();
    await call(port, { path: '/new', headers: { 'x-envoy-original-path': '/old' } });
    expect(await lines(1)).toMatchObject([{ path: '/old' }]);
  });
});

describe('hostile values', () => {
  const hostile = 'x" 200 - 0 0 0 - "forged" "\\" \t\x80\x9b31m\xe9';

  test.each(['user-agent', 'x-forwarded-for', 'x-request-id', 'x-envoy-original-path'])(
    'of %s forge neither a field nor a line',
    async (name) => {
      const { port, lines } = await start();
      const client = closeAfterTest(await RawConnection.open(port));
      expect((await client.get('/', `${name}: ${hostile}\r\n`)).status).toBe(200);
      expect((await client.get('/second')).status).toBe(200);
      const [first, second] = await lines(2);
      expect(first).toMatchObject({ status: '200', flags: '-', authority: 'test' });
      expect(second).toMatchObject({ path: '/second' });
      expect(JSON.stringify(first)).toContain('forged');
    },
  );

  test('of the path are escaped', async () => {
    const { port, lines } = await start();
    const client = closeAfterTest(await RawConnection.open(port));
    await client.get('/"\\');
    expect(await lines(1)).toMatchObject([{ path: '/\\"\\\\' }]);
  });

  test('of the service time from upstream do not reach the line', async () => {
    const { port, backend, lines } = await start();
    backend.respond = (_request, response) => {
      response.setHeader('x-envoy-upstream-service-time', '1 "forged"');
      response.end();
    };
    await call(port);
    expect(await lines(1)).toMatchObject([{ serviceTime: expect.stringMatching(/^\d+$/) }]);
  });

  test('no control character is ever written', async () => {
    const { port, path, lines } = await start();
    const client = closeAfterTest(await RawConnection.open(port));
    const all = Array.from({ length: 224 }, (_, i) => String.fromCharCode(i + 32)).filter((c) => c !== '\x7f');
    await client.get('/', `user-agent: ${all.join('')}\r\n`);
    await lines(1);
    expect(await readFile(path, 'utf8')).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });
});

describe('the file', () => {
  test('has a line per request, in the order of their ends, also of many', async () => {
    const { port, lines } = await start();
    const client = closeAfterTest(await RawConnection.open(port));
    for (let i = 0; i < 500; i++) await client.get(`/${i}`);
    expect((await lines(500)).map(({ path }) => path)).toEqual(Array.from({ length: 500 }, (_, i) => `/${i}`));
  });

  test('is complete when the proxy has closed', async () => {
    const { server, port, path } = await start();
    await call(port);
    await server.close();
    expect((await readFile(path, 'utf8')).split('\n')).toHaveLength(2);
  });

  test('is appended to', async () => {
    const first = await start();
    await call(first.port, { path: '/one' });
    await first.server.close();
    const second = await start(first.path);
    await call(second.port, { path: '/two' });
    expect((await second.lines(2)).map(({ path }) => path)).toEqual(['/one', '/two']);
  });

  test('is opened anew on POST /reopen_logs, and no line is lost when it was moved away', async () => {
    const { port, adminPort, server, path } = await start();
    const pathsIn = async (file: string): Promise<(string | undefined)[]> =>
      (await readFile(file, 'latin1'))
        .split('\n')
        .slice(0, -1)
        .map((line) => parseLine(line).path);
    for (const name of ['/one', '/two']) await call(port, { path: name });
    await rename(path, `${path}.1`);
    // Nobody has told the proxy yet: the file is where it was moved to.
    await call(port, { path: '/three' });
    expect(await call(adminPort, { method: 'POST', path: '/reopen_logs' })).toMatchObject({
      status: 200,
      body: 'OK\n',
    });
    await call(port, { path: '/four' });
    await server.close();
    expect(await pathsIn(`${path}.1`)).toEqual(['/one', '/two', '/three']);
    expect(await pathsIn(path)).toEqual(['/four']);
  });

  test('that could not be written is tried again when it is opened anew', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'heddle-log-'));
    onTestFinished(() => rm(dir, { recursive: true }));
    const path = join(dir, 'late', 'access.log');
    const { port, server } = await start(path);
    const dropped = server.stats.counter('access_logs.file.logs_dropped');
    await call(port, { path: '/lost' });
    await until(() => dropped.value === 1);
    await mkdir(join(dir, 'late'));
    server.reopenAccessLogs();
    await call(port, { path: '/kept' });
    await server.close();
    expect((await readFile(path, 'latin1')).match(/"GET \S+/g)).toEqual(['"GET /kept']);
  });

  test('that cannot be written costs lines, which are counted, and no request', async () => {
    const { port, server } = await start('/nonexistent/directory/access.log');
    const dropped = server.stats.counter('access_logs.file.logs_dropped');
    for (let i = 0; i < 3; i++) expect((await call(port)).status).toBe(200);
    await until(() => dropped.value === 3);
  });

  test('that takes nothing, like a pipe without a reader, costs lines beyond some megabytes and no request', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'heddle-pipe-'));
    onTestFinished(() => rm(dir, { recursive: true }));
    const pipe = join(dir, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const { port, server } = await start(pipe);
    const dropped = server.stats.counter('access_logs.file.logs_dropped');
    const client = closeAfterTest(await RawConnection.open(port));
    const agent = 'a'.repeat(50_000);
    for (let i = 0; i < 120; i++) expect((await client.get('/gone', `user-agent: ${agent}\r\n`)).status).toBe(503);
    await until(() => dropped.value > 10);
    expect(dropped.value).toBeLessThan(60);
    // The proxy ends although the pipe hangs; a reader then lets go of what waits for it.
    await server.close();
    await (await open(pipe, 'r')).close();
  });
});

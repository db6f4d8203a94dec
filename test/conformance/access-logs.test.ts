import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { MeshConfig } from '../../crds/mesh-config.ts';
import type { Responder } from '../support/backend.ts';
import { Backend } from '../support/backend.ts';
import { closeAfterTest } from '../support/closing.ts';
import { call } from '../support/http-call.ts';
import { eventually } from '../support/mesh.ts';
import { besideEachSidecar, LiveMesh, type LiveMeshInput } from './live-mesh.ts';

/** Answers with the status that the path says: `/503`. */
const asAsked: Responder = (request, response) => {
  response.statusCode = Number(/\d+/.exec(request.url ?? '')?.[0] ?? 200);
  response.end('ok');
};

const telemetry = (spec: string, { name = 'logs', namespace = 'default' } = {}): string => `
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`;

class LogFile {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(): Promise<LogFile> {
    const folder = await mkdtemp(join(tmpdir(), 'heddle-access-log-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    return new LogFile(join(folder, 'access.log'));
  }

  async lines(): Promise<string[]> {
    const text = await readFile(this.path, 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  }

  /** The lines up to the first that contains `text`, which is waited for. */
  async until(text: string): Promise<string[]> {
    return await eventually(async () => {
      const lines = await this.lines();
      const end = lines.findIndex((line) => line.includes(text));
      return end < 0 ? undefined : lines.slice(0, end + 1);
    });
  }
}

function start(meshConfig: MeshConfig, input: Partial<LiveMeshInput> = {}): Promise<LiveMesh> {
  return LiveMesh.start({ instances: [{ service: 'reviews', respond: asAsked }], pilot: { meshConfig }, ...input });
}

/** Requests these paths one after the other. */
async function visit(mesh: LiveMesh, ...paths: string[]): Promise<void> {
  for (const path of paths) await mesh.call({ path });
}

besideEachSidecar(() => {
  describe('an access log of the whole mesh', () => {
    test('has a line per request, in the format that the mesh configuration says', async () => {
      const log = await LogFile.create();
      const accessLogFormat =
        '%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_CLUSTER_RAW% "%REQ(X-A)%"';
      const mesh = await start({ accessLogFile: log.path, accessLogFormat });
      await mesh.call({ method: 'POST', path: '/201?x=1', headers: { 'x-a': 'b c' }, body: 'text' });
      await mesh.call({ path: '/500' });
      await mesh.call({ host: 'nobody', path: '/last' });
      expect(await log.until('/last')).toEqual([
        'POST /201?x=1 201 - outbound|80||reviews.default.svc.cluster.local "b c"',
        'GET /500 500 - outbound|80||reviews.default.svc.cluster.local "-"',
        'GET /last 404 NR - "-"',
      ]);
    });

    test('is JSON with the keys of its format', async () => {
      const log = await LogFile.create();
      const accessLogFormat = '{"code": "%RESPONSE_CODE%", "request": {"path": "%REQ(:PATH)%"}}';
      const mesh = await start({ accessLogFile: log.path, accessLogEncoding: 'JSON', accessLogFormat });
      await visit(mesh, '/200', '/404');
      expect((await log.until('404')).map((line) => JSON.parse(line) as unknown)).toEqual([
        { code: 200, request: { path: '/200' } },
        { code: 404, request: { path: '/404' } },
      ]);
    });

    test("has Istio's line where no format is given", async () => {
      const log = await LogFile.create();
      const mesh = await start({ accessLogFile: log.path });
      const headers = { 'user-agent': 'test/1.0', 'x-request-id': 'f7b0a1b2-0000-4000-8000-000000000001' };
      await mesh.call({ method: 'POST', path: '/201?x=1', headers, body: 'text' });
      await mesh.call({ host: 'nobody', path: '/last' });
      const [answered = '', missed = ''] = await log.until('/last');
      const upstream = `127.0.0.1:${mesh.backends[0]?.port}`;
      const cluster = 'outbound|80||reviews.default.svc.cluster.local';
      // Without times and ports, and what a sidecar says to the client that it has no route for.
      const shape = (line: string): string =>
        line
          .replace(/^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\]/, '[TIME]')
          .replace(/ 4 2 \d+ \d+ /, ' 4 2 MS MS ')
          .replace(/ 0 \d+ \d+ - /, ' 0 BYTES MS - ')
          .replace(`127.0.0.1:${mesh.outboundPort}`, 'LOCAL')
          .replaceAll(upstream, 'HOST')
          .replaceAll(/127\.0\.0\.1:\d+/g, 'PORT')
          .replace(/"[0-9a-f-]{36}"/, '"ID"');
      expect(shape(answered)).toBe(
        '[TIME] "POST /201?x=1 HTTP/1.1" 201 - via_upstream - "-" 4 2 MS MS "-" "test/1.0" "ID" "reviews" ' +
          `"HOST" ${cluster} PORT LOCAL PORT - default`,
      );
      expect(shape(missed)).toBe(
        '[TIME] "GET /last HTTP/1.1" 404 NR route_not_found - "-" 0 BYTES MS - "-" "-" "ID" "nobody" "-" - - LOCAL PORT - -',
      );
    });

    test("has Istio's object where JSON is asked for without a format", async () => {
      const log = await LogFile.create();
      const mesh = await start({ accessLogFile: log.path, accessLogEncoding: 'JSON' });
      await mesh.call({ path: '/200' });
      const [line = ''] = await log.until('/200');
      const fields = JSON.parse(line) as Record<string, unknown>;
      expect(Object.keys(fields)).toHaveLength(24);
      expect(fields).toMatchObject({
        method: 'GET',
        path: '/200',
        protocol: 'HTTP/1.1',
        response_code: 200,
        response_code_details: 'via_upstream',
        bytes_sent: 2,
        authority: 'reviews',
        upstream_cluster: 'outbound|80||reviews.default.svc.cluster.local',
        upstream_host: `127.0.0.1:${mesh.backends[0]?.port}`,
        downstream_local_address: `127.0.0.1:${mesh.outboundPort}`,
        requested_server_name: null,
        upstream_transport_failure_reason: null,
      });
    });

    test('has the requests that come in too', async () => {
      const log = await LogFile.create();
      const application = closeAfterTest(await Backend.start('application', asAsked));
      const accessLogFormat = '%REQ(:PATH)% %UPSTREAM_CLUSTER_RAW%';
      const client = { appPort: application.port };
      const mesh = await start({ accessLogFile: log.path, accessLogFormat }, { client });
      await visit(mesh, '/200/out');
      await call(mesh.inboundPort, { path: '/200/in' });
      expect((await log.until('/200/in')).at(-1)).toBe(`/200/in inbound|${application.port}||`);
    });

    test('has the requests of both providers that are the default', async () => {
      const [text, json] = await Promise.all([LogFile.create(), LogFile.create()]);
      const mesh = await start({
        extensionProviders: [
          { name: 'text', envoyFileAccessLog: { path: text.path, logFormat: { text: 'text %REQ(:PATH)%' } } },
          { name: 'json', envoyFileAccessLog: { path: json.path, logFormat: { labels: { path: '%REQ(:PATH)%' } } } },
        ],
        defaultProviders: { accessLogging: ['text', 'JSON'] },
      });
      await visit(mesh, '/200');
      expect(await text.until('/200')).toEqual(['text /200']);
      expect(await json.until('/200')).toEqual(['{"path":"/200"}']);
    });
  });

  describe('a Telemetry', () => {
    test('turns the log of a namespace off, and on again when it is deleted', async () => {
      const log = await LogFile.create();
      const mesh = await start({ accessLogFile: log.path, accessLogFormat: '%REQ(:PATH)%' });
      await visit(mesh, '/200/before');
      await mesh.apply(telemetry('{ accessLogging: [{ disabled: true }] }'));
      await visit(mesh, '/200/silent');
      await mesh.apply(telemetry('{ accessLogging: [{ disabled: false }] }'));
      await visit(mesh, '/200/after');
      expect(await log.until('/after')).toEqual(['/200/before', '/200/after']);
    });

    test.each([
      ['response.code >= 400', '/400 /503'],
      ['response.code > 400', '/503'],
      ['response.code < 400', '/200 /200/health'],
      ['response.code <= 400', '/200 /400 /200/health'],
      ['response.code == 503', '/503'],
      ['response.code != 200', '/400 /503'],
      ['!(response.code != 200)', '/200 /200/health'],
      ["response.code >= 500 || request.path == '/400'", '/400 /503'],
      ["response.code == 200 && !request.path.startsWith('/200/h')", '/200'],
      ["request.path.endsWith('/health') || request.path.contains('40')", '/400 /200/health'],
      ["request.method == 'POST'", ''],
      ["request.host == 'reviews' && request.method != 'POST' && response.code == 400", '/400'],
      ["request.headers['X-Mark'] == 'yes'", '/400'],
      ["request.headers['x-mark'] != 'yes'", '/503'],
      ["'x-mark' in request.headers", '/400 /503'],
      ["!('x-mark' in request.headers)", '/200 /200/health'],
      ['response.flags != 0', ''],
      ["request.duration >= duration('1h') || response.code == 400", '/400'],
      ["request.duration < duration('1h') && response.code == 400", '/400'],
    ])('logs the requests of %s', async (expression, expected) => {
      const log = await LogFile.create();
      const provider = (name: string, text: string) => ({
        name,
        envoyFileAccessLog: { path: log.path, logFormat: { text } },
      });
      const mesh = await start(
        { extensionProviders: [provider('some', '%REQ(:PATH)%'), provider('end', 'end of %REQ(X-END)%')] },
        {
          yaml: telemetry(`
            accessLogging:
            - { providers: [{ name: some }], filter: { expression: ${JSON.stringify(expression)} } }
            - { providers: [{ name: end }], filter: { expression: "'x-end' in request.headers" } }`),
        },
      );
      await mesh.call({ path: '/200' });
      await mesh.call({ path: '/400', headers: { 'x-mark': 'yes' } });
      await mesh.call({ path: '/503', headers: { 'x-mark': 'no' } });
      await mesh.call({ path: '/200/health' });
      await mesh.call({ path: '/299', method: 'PUT', headers: { 'x-end': 'log', 'x-mark': '' } });
      const lines = (await log.until('end of log')).filter((line) => line !== '/299' && !line.startsWith('end'));
      expect(lines.join(' ')).toBe(expected);
    });

    test('logs requests with any response flag', async () => {
      const log = await LogFile.create();
      const mesh = await start(
        { accessLogFile: log.path, accessLogFormat: '%REQ(:PATH)% %RESPONSE_FLAGS%' },
        { yaml: telemetry("{ accessLogging: [{ filter: { expression: 'response.flags != 0' } }] }") },
      );
      await visit(mesh, '/200', '/503');
      await mesh.call({ host: 'nobody', path: '/last' });
      expect(await log.until('/last')).toEqual(['/last NR']);
    });

    test('that changes the log cuts neither the request that runs nor the connection that is open', async () => {
      const log = await LogFile.create();
      const finish: (() => void)[] = [];
      const slow: Responder = (_request, response) => {
        response.write('first ');
        finish.push(() => response.end('last'));
      };
      const mesh = await LiveMesh.start({
        instances: [
          { service: 'reviews', respond: asAsked },
          { service: 'slow', respond: slow },
        ],
        pilot: { meshConfig: { accessLogFile: log.path, accessLogFormat: '%REQ(:PATH)%' } },
      });
      const agent = closeAfterTest(new http.Agent({ keepAlive: true, maxSockets: 1 }));
      const kept = await keepAliveCall(agent, mesh.outboundPort, '/200/kept');
      const running = mesh.call({ host: 'slow', path: '/running' });
      await eventually(() => Promise.resolve(finish.length > 0 ? true : undefined));

      await mesh.apply(telemetry("{ accessLogging: [{ filter: { expression: 'response.code >= 500' } }] }"));
      const again = await keepAliveCall(agent, mesh.outboundPort, '/200/again');
      expect(again).toEqual({ status: 200, localPort: kept.localPort });
      finish[0]?.();
      expect(await running).toMatchObject({ status: 200, body: 'first last' });

      await visit(mesh, '/200/filtered', '/500/last');
      expect((await log.until('/500/last')).filter((line) => line.includes('/filtered'))).toEqual([]);
    });
  });
});

describe('a Telemetry', () => {
  test('with a provider that the mesh does not have is refused with the one that was meant', async () => {
    const provider = { name: 'my-log', envoyFileAccessLog: { path: '/dev/null' } };
    const mesh = await start({ extensionProviders: [provider] });
    expect(await mesh.refusalOf(telemetry('{ accessLogging: [{ providers: [{ name: my-logs }] }] }'))).toEqual({
      status: 422,
      message: expect.stringContaining(
        'spec.accessLogging[0].providers[0].name: no provider of access logs "my-logs" is in the mesh configuration (did you mean "my-log"?)',
      ) as string,
    });
  });
});

interface KeptAnswer {
  readonly status: number;
  /** Of the client's connection: equal ports are one connection. */
  readonly localPort: number;
}

function keepAliveCall(agent: http.Agent, port: number, path: string): Promise<KeptAnswer> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, path, agent, headers: { host: 'reviews' } }, (response) => {
      const localPort = request.socket?.localPort ?? 0;
      response.resume();
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, localPort }));
    });
    request.on('error', reject);
  });
}

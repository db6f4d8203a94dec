import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { AccessLogFilter, HeaderMatcher, HttpConnectionManager } from '../../proxy/api/envoy.gen.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import { Backend } from '../support/backend.ts';
import { closeAfterTest } from '../support/closing.ts';
import { bootstrapText, httpListener, routeConfiguration, routeTo, staticCluster } from '../support/envoy-json.ts';
import { call } from '../support/http-call.ts';
import { openTelemetry } from './tracing/tracing-proxy.ts';
import { startProxy } from '../support/in-process-proxy.ts';

/** The paths of the requests that have a line, once all were made one after the other and the log is closed. */
async function logged(
  filter: AccessLogFilter | undefined,
  requests: readonly { path: string; headers?: Readonly<Record<string, string>> }[],
  manager: HttpConnectionManager = {},
): Promise<string[]> {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-log-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const path = join(dir, 'access.log');
  const backend = closeAfterTest(await Backend.start());
  backend.respond = (request, response) => {
    const [, code = '', grpcStatus = ''] = (request.url ?? '').split('/');
    if (grpcStatus !== '') response.setHeader('grpc-status', grpcStatus);
    response.statusCode = Number(code);
    setTimeout(() => response.end(), request.headers['x-slow'] === undefined ? 0 : 60);
  };
  const type = typeUrlOf('envoy.extensions.access_loggers.file.v3.FileAccessLog');
  const log_format = { text_format_source: { inline_string: '%REQ(:PATH)%\n' } };
  const access_log = [
    { name: 'a', ...(filter && { filter }), typed_config: { '@type': type, path, log_format } },
    // Another log of the same requests in the same file: it has its own mind.
    {
      name: 'b',
      filter: { header_filter: { header: { name: 'x-mark', present_match: true } } },
      typed_config: { '@type': type, path, log_format: { text_format_source: { inline_string: 'marked\n' } } },
    },
  ];
  const routes = routeConfiguration([
    routeTo('gone', {}, { match: { prefix: '/gone' } }),
    routeTo('empty', {}, { match: { prefix: '/empty' } }),
    routeTo('backend'),
  ]);
  const { server, port } = await startProxy(
    bootstrapText(
      [httpListener({ routes, manager: { ...manager, access_log } })],
      [staticCluster('backend', [backend.port]), staticCluster('empty', [])],
    ),
  );
  for (const request of requests) await call(port, request);
  await server.close();
  return (await readFile(path, 'utf8').catch(() => '')).split('\n').slice(0, -1);
}

const statuses = ['/200', '/404', '/500', '/503'].map((path) => ({ path }));
const status = (op: 'EQ' | 'GE' | 'LE', default_value: number): AccessLogFilter => ({
  status_code_filter: { comparison: { op, value: { default_value, runtime_key: 'k' } } },
});
const header = (matcher: HeaderMatcher): AccessLogFilter => ({ header_filter: { header: matcher } });

describe('an access log has lines', () => {
  test('of every request without a filter, beside another log with one', async () => {
    expect(await logged(undefined, [{ path: '/200' }, { path: '/404', headers: { 'x-mark': '' } }])).toEqual([
      '/200',
      '/404',
      'marked',
    ]);
  });

  test.each<[string, AccessLogFilter, string[]]>([
    ['of one status', status('EQ', 404), ['/404']],
    ['of statuses from one on', status('GE', 500), ['/500', '/503']],
    ['of statuses up to one', status('LE', 404), ['/200', '/404']],
    ['of all that are no health checks', { not_health_check_filter: {} }, ['/200', '/404', '/500', '/503']],
    ['where all filters hold', { and_filter: { filters: [status('GE', 404), status('LE', 500)] } }, ['/404', '/500']],
    ['where any filter holds', { or_filter: { filters: [status('EQ', 200), status('EQ', 503)] } }, ['/200', '/503']],
    [
      'where filters in filters hold',
      {
        or_filter: {
          filters: [{ and_filter: { filters: [status('GE', 300), status('LE', 404)] } }, status('GE', 503)],
        },
      },
      ['/404', '/503'],
    ],
  ])('%s', async (_name, filter, paths) => {
    expect(await logged(filter, statuses)).toEqual(paths);
  });

  test('of requests that took a time', async () => {
    const filter: AccessLogFilter = {
      duration_filter: { comparison: { op: 'GE', value: { default_value: 50, runtime_key: 'k' } } },
    };
    expect(await logged(filter, [{ path: '/200' }, { path: '/404', headers: { 'x-slow': 'yes' } }])).toEqual(['/404']);
  });

  test('of requests with a header', async () => {
    const requests = [{ path: '/200' }, { path: '/404', headers: { 'x-log': 'YES' } }];
    const matches = (string_match: { exact: string; ignore_case?: boolean }) => ({ name: 'X-Log', string_match });
    expect(await logged(header(matches({ exact: 'yes', ignore_case: true })), requests)).toEqual(['/404']);
    expect(await logged(header({ name: 'x-log', present_match: true, invert_match: true }), requests)).toEqual([
      '/200',
    ]);
    expect(await logged(header({ name: ':path', string_match: { prefix: '/2' } }), requests)).toEqual(['/200']);
  });

  test('of responses with some flags, or with any', async () => {
    const requests = [{ path: '/200' }, { path: '/gone' }, { path: '/empty' }];
    expect(await logged({ response_flag_filter: { flags: ['UH', 'UO'] } }, requests)).toEqual(['/empty']);
    expect(await logged({ response_flag_filter: {} }, requests)).toEqual(['/gone', '/empty']);
  });

  test('of gRPC statuses, where HTTP statuses stand for those that are missing', async () => {
    const requests = ['/200/0', '/200/14', '/200/99', '/200', '/503', '/404'].map((path) => ({ path }));
    const filter = (fields: AccessLogFilter['grpc_status_filter']): AccessLogFilter => ({
      grpc_status_filter: fields ?? {},
    });
    expect(await logged(filter({ statuses: ['OK', 'UNAVAILABLE'] }), requests)).toEqual(['/200/0', '/200/14', '/503']);
    expect(await logged(filter({ statuses: ['UNIMPLEMENTED', 'UNKNOWN'] }), requests)).toEqual(['/200', '/404']);
    expect(await logged(filter({ statuses: ['OK', 'UNAVAILABLE'], exclude: true }), requests)).toEqual([
      '/200/99',
      '/200',
      '/404',
    ]);
  });
});

describe('a sampled access log', () => {
  const sampled = (use_independent_randomness: boolean): AccessLogFilter => ({
    runtime_filter: { runtime_key: 'k', percent_sampled: { numerator: 25 }, use_independent_randomness },
  });
  const id = (i: number, version = '4'): string =>
    `${(Math.imul(i, 40_503) >>> 0).toString(16).padStart(8, '0')}-89ab-${version}cde-8f01-0123456789ab`;
  const requests = Array.from({ length: 100 }, (_, i) => ({ path: `/200//${i}`, headers: { 'x-request-id': id(i) } }));
  const isAQuarter = (lines: readonly string[]): boolean => lines.length > 10 && lines.length < 45;

  test("has the requests whose IDs choose them, as every other hop's log has, traced or not", async () => {
    const lines = await logged(sampled(false), requests);
    expect(isAQuarter(lines)).toBe(true);
    const traced = requests.map(({ path }, i) => ({ path, headers: { 'x-request-id': id(i, 'a') } }));
    expect(await logged(sampled(false), traced.toReversed())).toEqual(lines.toReversed());
  });

  test('has about its part of requests when IDs have no say', async () => {
    const lines = await logged(
      sampled(true),
      requests.map(({ path }) => ({ path, headers: { 'x-request-id': id(1) } })),
    );
    expect(isAQuarter(lines)).toBe(true);
  });

  test('has about its part of requests that get their IDs here, or have none', async () => {
    const anonymous = requests.map(({ path }) => ({ path }));
    expect(isAQuarter(await logged(sampled(false), anonymous))).toBe(true);
    expect(isAQuarter(await logged(sampled(false), anonymous, { generate_request_id: false }))).toBe(true);
  });

  test('has none when no part is given', async () => {
    expect(await logged({ runtime_filter: { runtime_key: 'k' } }, requests.slice(0, 5))).toEqual([]);
  });
});

describe('an access log of traceable requests', () => {
  const traces = ['/200//no', '/200//forced'].map((path) => ({
    path,
    headers: path.endsWith('forced') ? { 'x-envoy-force-trace': 'yes' } : {},
  }));

  test('has those that someone asked to have traced, and not those that chance chose', async () => {
    const tracing = { provider: openTelemetry(), random_sampling: { value: 100 } };
    expect(await logged({ traceable_filter: {} }, traces, { tracing })).toEqual(['/200//forced']);
  });

  test('has none where nothing is traced', async () => {
    expect(await logged({ traceable_filter: {} }, traces)).toEqual([]);
  });
});

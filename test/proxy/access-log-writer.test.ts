import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AccessLogWriter } from '../../proxy/access-log-writer.ts';
import { silentLogger } from '../../proxy/common/log.ts';
import { StatsStore } from '../../proxy/common/stats.ts';
import type { ColumnLine } from '../../proxy/formatter/column-line.ts';
import { compileLine } from '../../proxy/formatter/log-line.ts';
import { RequestHead, ResponseHead } from '../../proxy/http/message-head.ts';
import type { StreamInfo } from '../../proxy/http/stream-info.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { until } from '../support/turns.ts';

const path = compileLine({ kind: 'text', source: '%REQ(:PATH)%\n', omitsEmptyValues: false });
const status = compileLine({ kind: 'json', properties: { code: '%RESPONSE_CODE%' }, omitsEmptyValues: false });

/** One stream object for all lines, as those of a pool are used again. */
function makeStream(): { readonly stream: StreamInfo; readonly request: RequestHead } {
  const request = new RequestHead();
  const response = new ResponseHead();
  response.status = 200;
  return { stream: { request, response } as unknown as StreamInfo, request };
}

interface Setting {
  readonly clock: ManualClock;
  readonly writer: AccessLogWriter;
  /** What the file holds. */
  readonly text: () => string;
}

async function start(): Promise<Setting> {
  const directory = await mkdtemp(join(tmpdir(), 'heddle-log-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const clock = new ManualClock();
  const file = join(directory, 'access.log');
  const writer = new AccessLogWriter(
    { kind: 'file', path: file },
    { clock, logger: silentLogger, stats: new StatsStore() },
  );
  onTestFinished(() => writer.close());
  return { clock, writer, text: () => (existsSync(file) ? readFileSync(file, 'utf8') : '') };
}

function addPaths(writer: AccessLogWriter, paths: readonly string[], format: ColumnLine = path): void {
  const { stream, request } = makeStream();
  for (const each of paths) {
    request.path = each;
    writer.add(format, stream);
  }
}

describe('lines of an access log', () => {
  it('say what their streams were when they ended, although the stream serves other requests before they are written', async () => {
    const { clock, writer, text } = await start();
    addPaths(writer, ['/first', '/second']);
    clock.advance(100);
    await until(() => text() === '/first\n/second\n');
  });

  it('of several formats in one file keep their order', async () => {
    const { clock, writer, text } = await start();
    const { stream, request } = makeStream();
    request.path = '/a';
    writer.add(path, stream);
    writer.add(status, stream);
    request.path = '/b';
    writer.add(path, stream);
    clock.advance(100);
    await until(() => text() === '/a\n{"code":200}\n/b\n');
  });

  it('are written without waiting when there are many, and none is lost or changed by those that follow at once', async () => {
    const { writer, text } = await start();
    const paths = Array.from({ length: 10_000 }, (_, i) => `/${i}/${'x'.repeat(i % 300)}`);
    addPaths(writer, paths);
    await writer.close();
    expect(text().split('\n')).toEqual([...paths, '']);
  });

  it('that are longer than the memory which is kept for them are whole', async () => {
    const { writer, text } = await start();
    const long = `/${'é'.repeat(200_000)}`;
    addPaths(
      writer,
      ['/short', long, '/short'],
      compileLine({ kind: 'json', properties: { p: '%REQ(:PATH)%' }, omitsEmptyValues: false }),
    );
    await writer.close();
    expect(
      text()
        .split('\n')
        .map((line) => line.length),
    ).toEqual([14, long.length + 8, 14, 0]);
  });

  it('that a full disk does not take are dropped, and the process lives', async (context) => {
    if (!existsSync('/dev/full')) context.skip('there is no /dev/full here');
    const stats = new StatsStore();
    const clock = new ManualClock();
    const writer = new AccessLogWriter({ kind: 'file', path: '/dev/full' }, { clock, logger: silentLogger, stats });
    addPaths(writer, ['/lost']);
    clock.advance(100);
    await until(() => {
      addPaths(writer, ['/lost']);
      clock.advance(100);
      return stats.counter('access_logs.file.logs_dropped').value > 0;
    });
    await writer.close();
  });
});

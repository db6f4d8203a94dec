import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { CheckList } from '../../../crds/check-rule.ts';
import type { Resource } from '../../../crds/resource.ts';
import { CheckLists } from '../../../pilot/registry/check-lists.ts';
import { parseListValues } from '../../../pilot/registry/list-values.ts';
import { createLogger } from '../../../proxy/common/log.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { until } from '../../support/turns.ts';

const addresses: CheckList = { attribute: 'source.ip' };
const users: CheckList = { attribute: 'header:x-user' };

describe('the text of a list', () => {
  test('has a value a line, with comments, or is a JSON array', () => {
    const text = '# ours\n10.0.0.1\r\n\n10.1.0.0/16  # theirs\n10.0.0.1\n';
    expect(parseListValues(text, addresses)).toEqual({ values: ['10.0.0.1', '10.1.0.0/16'] });
    expect(parseListValues(' ["b","a#1"]', users)).toEqual({ values: ['a#1', 'b'] });
  });

  test.each([
    ['nothing', '\n# none\n', addresses, 'has no values'],
    ['a page of HTML', '<html>\n10.0.0.1', addresses, /^value 1, "<html>": /],
    ['one bad line among good ones', '10.0.0.1\n10.0.0.0/40', addresses, /^value 2, /],
    ['JSON that is no array of texts', '[1]', users, 'must be a JSON array of texts'],
    ['JSON that breaks off', '["a"', users, 'must be a JSON array of texts'],
    ['a line that is too long', 'a'.repeat(1025), users, /must be one line of 1 to 1024 characters$/],
    ['a control character', 'a\u0000b', users, /must be one line/],
    ['too many', Array.from({ length: 10_001 }, (_, i) => String(i)).join('\n'), users, /more than 10000$/],
  ])('with %s is refused as a whole', (_, text, list, fault) => {
    expect(parseListValues(text, list).fault).toMatch(fault);
  });
});

const ruleOf = (list: CheckList): Resource =>
  ({ kind: 'CheckRule', spec: { host: 'a', action: 'DENY', match: [{ lists: [list] }] } }) as unknown as Resource;

function start(folder = mkdtempSync(join(tmpdir(), 'heddle-lists-'))) {
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const clock = new ManualClock();
  const lines: string[] = [];
  const logger = createLogger('test', 'info', (line) => void lines.push(line));
  const lists = new CheckLists({ folder, cacheFile: join(folder, 'cache.json'), clock, logger });
  let changes = 0;
  lists.onChange(() => (changes += 1));
  onTestFinished(() => lists.close());
  return { folder, clock, lines, lists, changes: () => changes };
}

async function serve(answer: http.RequestListener): Promise<{ url: string; asked: () => number }> {
  let asked = 0;
  const server = http.createServer((request, response) => {
    asked += 1;
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/list`, asked: () => asked };
}

describe('lists of check rules', () => {
  test('are read from files again and again; a bad one leaves the last good one in force', async () => {
    const { folder, lists, clock, lines, changes } = start();
    const list = { ...addresses, file: 'bad.txt', refreshInterval: '5s' };
    writeFileSync(join(folder, 'bad.txt'), '10.0.0.1\n');
    lists.watch([ruleOf(list)]);
    await until(() => lists.valuesOf(list) !== undefined);
    writeFileSync(join(folder, 'bad.txt'), 'nonsense\n');
    await until(() => clock.advance(5_000) === undefined && lines.length > 0);
    expect(lines.join('')).toContain('the last good one stays');
    expect(lists.valuesOf(list)).toEqual(['10.0.0.1']);
    writeFileSync(join(folder, 'bad.txt'), '10.0.0.2\n');
    await until(() => clock.advance(5_000) === undefined && changes() === 2);
    expect(lists.valuesOf(list)).toEqual(['10.0.0.2']);
    expect(lines).toHaveLength(1);
  });

  test('are there after a restart before anything can be read', async () => {
    const { folder, lists } = start();
    const list = { ...users, file: 'users.txt' };
    writeFileSync(join(folder, 'users.txt'), 'ann\n');
    lists.watch([ruleOf(list)]);
    await until(() => lists.valuesOf(list) !== undefined);
    await lists.close();
    rmSync(join(folder, 'users.txt'));
    const next = start(folder);
    await next.lists.start();
    next.lists.watch([ruleOf(list)]);
    expect(next.lists.valuesOf(list)).toEqual(['ann']);
    await until(() => next.lines.length > 0);
    expect(next.lists.valuesOf(list)).toEqual(['ann']);
  });

  test('are read from URLs', async () => {
    const { url } = await serve((_, response) => response.end('["ann","bob"]'));
    const { lists } = start();
    const list = { ...users, url };
    lists.watch([ruleOf(list)]);
    await until(() => lists.valuesOf(list) !== undefined);
    expect(lists.valuesOf(list)).toEqual(['ann', 'bob']);
  });

  test.each<[string, http.RequestListener, string]>([
    ['with an error', (_, response) => response.writeHead(500).end('ann'), 'status 500'],
    ['with a redirection', (_, response) => response.writeHead(302, { location: '/list' }).end(), 'status 302'],
    ['without end', (_, response) => void response.write('a'.repeat(2_000_000)), 'more than 1048576 bytes'],
    ['and breaks off', (request, response) => response.write('ann\n', () => request.socket.destroy()), 'fault='],
  ])('from a URL that answers %s are not taken', async (_, answer, fault) => {
    const { url, asked } = await serve(answer);
    const { lists, lines } = start();
    const list = { ...users, url };
    lists.watch([ruleOf(list)]);
    await until(() => lines.length > 0);
    expect(lines.join('')).toContain(fault);
    expect(lists.valuesOf(list)).toBeUndefined();
    expect(asked()).toBe(1);
  });

  test('that no rule names any more are not read', async () => {
    const { url, asked } = await serve((_, response) => response.end('ann'));
    const { lists, clock } = start();
    const list = { ...users, url, refreshInterval: '1s' };
    lists.watch([ruleOf(list)]);
    await until(() => lists.valuesOf(list) !== undefined);
    lists.watch([]);
    clock.advance(60_000);
    expect(asked()).toBe(1);
  });
});

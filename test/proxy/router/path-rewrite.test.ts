import { expect, test } from 'vitest';
import type { PathMatch, PathRewrite } from '../../../proxy/api/route.ts';
import { compilePathRewrite } from '../../../proxy/router/path-rewrite.ts';

const prefix = (value: string): PathMatch => ({ kind: 'prefix', value, caseSensitive: true });
const to = (replacement: string): PathRewrite => ({ kind: 'prefix', replacement });
const exact: PathMatch = { kind: 'path', value: '/a', caseSensitive: true };
const regex: PathMatch = { kind: 'safe_regex', regex: '/a.*' };

test.each<[PathMatch, PathRewrite, string, string]>([
  [prefix('/a'), to('/b'), '/a', '/b'],
  [prefix('/a'), to('/b'), '/a/c?d', '/b/c?d'],
  [prefix('/a/'), to('/'), '/a/c', '/c'],
  [prefix('/a'), to('/'), '/a', '/'],
  [prefix('/'), to('/b/'), '/c', '/b/c'],
  [prefix('/a'), to('b'), '/a/c', '/b/c'],
  [exact, to('/b'), '/a?c=/a', '/b?c=/a'],
  [regex, to('/b'), '/abc?d', '/b?d'],
  [prefix('/'), { kind: 'regex', pattern: 'x', substitution: 'y' }, '/x/x?x', '/y/y?x'],
  [prefix('/'), { kind: 'regex', pattern: '.*', substitution: '' }, '/x?y', '/?y'],
])('of %j by %j makes of %s %s', (match, rewrite, path, rewritten) => {
  expect(compilePathRewrite(rewrite, match)(path)).toBe(rewritten);
});

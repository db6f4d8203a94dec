import { expect, test } from 'vitest';
import { EndpointSubscribers } from '../../../pilot/xds/endpoint-subscribers.ts';

const all = 'outbound|80||a.example.com';
const v1 = 'outbound|80|v1|a.example.com';
const other = 'outbound|80||b.example.com';
const none: ReadonlySet<string> = new Set();

test('a service finds those who asked for any of its clusters, with the names they asked for', () => {
  const subscribers = new EndpointSubscribers<string>();
  subscribers.update('x', none, new Set([all, v1, other, 'mixer']));
  subscribers.update('y', none, new Set([other]));
  expect(subscribers.of(['a.example.com'])).toEqual(new Map([['x', new Set([all, v1])]]));
  expect(subscribers.of(['a.example.com', 'b.example.com']).get('x')).toEqual(new Set([all, v1, other]));
  expect([...subscribers.of(['b.example.com']).keys()]).toEqual(['x', 'y']);
  expect(subscribers.of(['mixer', 'c.example.com']).size).toBe(0);
});

test('names that are dropped are forgotten', () => {
  const subscribers = new EndpointSubscribers<string>();
  subscribers.update('x', none, new Set([all, v1]));
  subscribers.update('x', new Set([all, v1]), new Set([v1]));
  expect(subscribers.of(['a.example.com'])).toEqual(new Map([['x', new Set([v1])]]));
  subscribers.update('x', new Set([v1]), none);
  expect(subscribers.of(['a.example.com']).size).toBe(0);
});

import { expect, test } from 'vitest';
import { authorityOf, buildHeaderLists } from '../../../pilot/networking/header-operations.ts';

test('S29: set overwrites, add appends, and lists without entries are left out', () => {
  expect(buildHeaderLists([{ request: { set: { a: '1' }, add: { b: '2' }, remove: ['c'] } }])).toEqual({
    request_headers_to_add: [
      { header: { key: 'a', value: '1' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
      { header: { key: 'b', value: '2' }, append_action: 'APPEND_IF_EXISTS_OR_ADD' },
    ],
    request_headers_to_remove: ['c'],
  });
  expect(buildHeaderLists([undefined, {}, { response: { remove: ['d'] } }])).toEqual({
    response_headers_to_remove: ['d'],
  });
});

test('S29: several sets of rules stand one after the other', () => {
  const lists = buildHeaderLists([{ response: { set: { a: '1' } } }, { response: { set: { a: '2' } } }]);
  expect(lists.response_headers_to_add?.map(({ header }) => header?.value)).toEqual(['1', '2']);
});

test('S29: the Host is no header rule', () => {
  for (const name of ['host', 'Host', ':authority']) {
    const headers = { request: { set: { [name]: 'a.com' } } };
    expect(buildHeaderLists([headers])).toEqual({});
    expect(authorityOf(headers)).toBe('a.com');
  }
  expect(authorityOf({ request: { add: { hosts: 'a.com' } } })).toBeUndefined();
  expect(authorityOf(undefined)).toBeUndefined();
});
